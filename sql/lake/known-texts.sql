-- Where a text stands that one of the prompts would get: in the first of $files that has it, best with the same
-- prompt_id. Many prompts may have one text, so texts are looked up by key and not joined with each other. Chunks of
-- $rows are taken over together; a file of before there were keys has none.
create or replace temp table known_texts as
with texts as (
  select null::varchar as prompt_id, null::varchar as text_key, null::varchar as error,
    null::varchar as filename, null::bigint as file_row_number
  where false
  union all by name
  select *
  from read_parquet($files, union_by_name = true, filename = true, file_row_number = true, hive_partitioning = false)
),
places as (
  select prompt_id, text_key, {file: list_position($files, filename), row: file_row_number} as place
  from texts
  where error is null and text_key in (select text_key from prompt_keys)
),
of_text as (
  select text_key, min(place) as place from places group by text_key
),
of_prompt as (
  select text_key, prompt_id, min(place) as place from places group by text_key, prompt_id
),
found as (
  select prompt_keys.*, coalesce(of_prompt.place, of_text.place) as place
  from prompt_keys
  join of_text using (text_key)
  left join of_prompt using (text_key, prompt_id)
)
select
  found.* exclude (place),
  place.file as file,
  place.row as row,
  (row_number() over (partition by place.file order by place.row, prompt_id) - 1) // $rows as chunk
from found;

select file::integer as file, chunk::integer as chunk, min(row) as first, max(row) as last
from known_texts
group by all
order by all;
