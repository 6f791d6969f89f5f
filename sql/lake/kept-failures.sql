-- Why prompts of kept rows have no text: the first few.
select prompt_id, error
from read_parquet($files)
where error is not null
order by prompt_id
limit $most;
