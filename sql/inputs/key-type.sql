-- Type of a CSV file's ids: whole numbers only if nothing is lost by it.
select case when bool_and(is_whole_number("source key")) then 'BIGINT' else 'VARCHAR' end as key_type
from {{source}}
where "source key" is not null;
