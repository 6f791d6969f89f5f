-- The id that occurs most often.
select {{id}} as id, count(*) as times
from {{table}}
group by {{id}}
order by times desc, id
limit 1;
