-- Each prompt with its place among those of its entity type by the number of events behind the history, most first
-- (place 1), and the half that it belongs to: texts of half a are drafted from pools of half b's, and the other way round.
copy (
  with events as (from read_parquet($events) where part <> 'history'),
  counts as (
    select 'item' as entity_type, item_id::VARCHAR as entity_id, count(*) as events from events group by all
    union all
    select 'user', user_id::VARCHAR, count(*) from events group by all
  )
  select
    prompts.*,
    row_number() over (
      partition by entity_type order by coalesce(events, 0) desc, md5(prompt_id)
    ) as place,
    if(md5_number_lower(prompt_id) % 2 = 0, 'a', 'b') as half
  from read_parquet($prompts) as prompts
  left join counts using (entity_type, entity_id)
  order by prompt_id
) to $out (format parquet, compression zstd);
