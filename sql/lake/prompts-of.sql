-- The prompts of $ids in the files that have them: of a prompt in several files that of the last one. The empty first part
-- gives the columns that the files lack.
with prompts as (
  select
    null::varchar as "file of these prompts",
    null::varchar as prompt_id,
    null::varchar as prompt,
    null::struct(role varchar, content varchar)[] as messages
  where false
  union all by name
  select * from read_parquet($files, union_by_name = true, filename = 'file of these prompts', hive_partitioning = false)
  where prompt_id::varchar in (select unnest($ids))
)
select
  prompt_id::varchar as prompt_id,
  prompt,
  list_transform(messages, lambda message: {role: message.role, content: message.content}) as messages
from prompts
qualify row_number() over (partition by prompt_id::varchar order by list_position($files, "file of these prompts") desc) = 1;
