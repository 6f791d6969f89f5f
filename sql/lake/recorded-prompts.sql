-- Prompts of recorded texts, from a file of prompts. The empty first part gives the columns that the file lacks.
-- Of prompts with the same id one is enough.
create temp table asked as
with prompts as (
  select
    null::varchar as prompt_id,
    null::varchar as prompt,
    null::struct(role varchar, content varchar)[] as messages
  where false
  union all by name
  select * from read_parquet($file)
)
select distinct on (prompt_id::varchar)
  prompt_id::varchar as prompt_id,
  prompt,
  list_transform(messages, lambda message: {role: message.role, content: message.content}) as messages
from prompts;
