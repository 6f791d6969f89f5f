-- The first row (1 is the first below a header) of a file that has no value or one that can't be understood.
select row_number, value
from (select row_number() over () as row_number, value, understood from located_source)
where understood is null
order by row_number
limit 1;
