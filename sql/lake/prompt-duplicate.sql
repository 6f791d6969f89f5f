-- The first prompt_id that stands in more than one row, with the first and the last of its rows (from 0).
-- The aggregate spills to the temporary directory when the ids don't fit into memory.
select
  prompt_id::varchar as prompt_id,
  min(file_row_number) as first_row,
  max(file_row_number) as last_row
from read_parquet($file, file_row_number = true)
group by all
having count(*) > 1
order by first_row
limit 1;
