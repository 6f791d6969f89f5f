-- The first and last prompt_id of every $rows rows in order. Rows of one prompt_id never part.
select min(prompt_id) as first, max(prompt_id) as last
from (
  select prompt_id, (dense_rank() over (order by prompt_id) - 1) // $rows as slice
  from read_parquet($files)
)
group by slice
order by slice;
