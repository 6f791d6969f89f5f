-- How many prompts of each entity type and framework a file holds.
with prompts as (
  select null::varchar as entity_type, null::varchar as framework where false
  union all by name
  select * from read_parquet($file)
)
select entity_type::varchar as entity_type, framework::varchar as framework, count(*) as prompts
from prompts
group by all
order by entity_type nulls first, framework nulls first;
