-- Texts of a file that don't tell whom they are about: they can't be held out by it.
with texts as (
  select null::varchar as entity_id, null::varchar as text where false
  union all by name
  select * from read_parquet($file, hive_partitioning = false)
)
select (count(*) filter (entity_id is null and text is not null))::integer as unknown from texts;
