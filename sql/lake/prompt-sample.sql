-- At most $most prompts of each entity type and framework, chosen by their ids. The empty first part gives the columns
-- that the file lacks, as nulls.
with prompts as (
  select
    null::varchar as prompt_id,
    null::varchar as entity_type,
    null::varchar as framework,
    null::varchar as prompt,
    null::struct(role varchar, content varchar)[] as messages
  where false
  union all by name
  select * from read_parquet($file)
)
select
  entity_type::varchar as entity_type,
  framework::varchar as framework,
  prompt,
  list_transform(messages, lambda message: {role: message.role, content: message.content}) as messages
from prompts
qualify row_number() over (partition by entity_type, framework order by md5(prompt_id::varchar), prompt_id) <= $most
order by entity_type nulls first, framework nulls first, md5(prompt_id::varchar), prompt_id;
