-- Copies the texts of a file that are of no held-out prompt and entity. The empty first part gives the columns that the
-- file may lack.
copy (
  with texts as (
    select
      null::varchar as entity_type,
      null::varchar as entity_id,
      null::varchar as cohort,
      null::varchar as prompt_id,
      null::varchar as text,
      null::varchar as finish_reason,
      null::varchar as error
    where false
    union all by name
    select * from read_parquet($file, hive_partitioning = false)
  )
  select entity_type, entity_id, cohort, prompt_id, text, finish_reason, error
  from texts
  anti join held_prompts on held_prompts.prompt_id = texts.prompt_id::varchar
  anti join held_entities
    on held_entities.entity_type = texts.entity_type::varchar and held_entities.entity_id = texts.entity_id::varchar
) to $path (format parquet);
