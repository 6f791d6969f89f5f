-- How many prompts a file holds, and the first row (from 0) without a prompt_id.
select
  count(*) as prompts,
  min(file_row_number) filter (where prompt_id is null) as null_row
from read_parquet($file, file_row_number = true);
