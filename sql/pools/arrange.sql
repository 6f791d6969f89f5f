-- Chooses texts and gives each its place: group after group, within a group the newest first, or by chance. Of a group
-- no more is chosen than $bytes of text, and the text that goes beyond. Batches are what is put into order at a time.
create table chosen as
select
  file,
  row,
  "group",
  complete,
  place,
  (sum(bytes) over (order by "group", place rows unbounded preceding) - bytes)::bigint // $batch_bytes as batch
from (
  select
    *,
    row_number() over ranked as place,
    sum(bytes) over (ranked rows unbounded preceding) - bytes as before
  from candidates
  window ranked as (
    partition by "group"
    order by if($keep = 'recent', age, 0), digest, complete, file, row
  )
)
where before <= $bytes;

drop table candidates;

-- Rows that wait to be written are in memory: few at a time.
set partitioned_write_flush_threshold = 32768;

copy (
  -- the empty first part gives the column that the files may lack
  with texts as (
    select null::varchar as filename, null::bigint as file_row_number, null::varchar as text, null::varchar as prompt_id
    where false
    union all by name
    select *
    from read_parquet(
      $files, union_by_name = true, filename = true, file_row_number = true, hive_partitioning = false
    )
  )
  select texts.text, texts.prompt_id, chosen.complete, chosen."group", chosen.place, chosen.batch
  from chosen
  join (
    select list_position($files, filename) as file, file_row_number as row, text, prompt_id::varchar as prompt_id
    from texts
  ) texts using (file, row)
) to $folder (format parquet, compression snappy, partition_by (batch));
