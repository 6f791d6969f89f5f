-- Rows $start (from 0) up to but not including $stop of a file of prompts, in the file's order.
-- The empty first part gives the columns that the file lacks, as nulls.
with prompts as (
  select
    null::bigint as file_row_number,
    null::varchar as prompt_id,
    null::varchar as entity_type,
    null::varchar as entity_id,
    null::varchar as framework,
    null::varchar as cohort,
    null::varchar as prompt,
    null::struct(role varchar, content varchar)[] as messages
  where false
  union all by name
  select * from read_parquet($file, file_row_number = true)
)
select
  file_row_number,
  prompt_id::varchar as prompt_id,
  entity_type::varchar as entity_type,
  entity_id::varchar as entity_id,
  framework::varchar as framework,
  cohort::varchar as cohort,
  prompt,
  list_transform(messages, lambda message: {role: message.role, content: message.content}) as messages
from prompts
where file_row_number >= $start and file_row_number < $stop
order by file_row_number;
