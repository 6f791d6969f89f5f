-- A page of the ids of prompts, in the file's order.
select prompt_id::varchar as prompt_id
from read_parquet($file, file_row_number = true)
where file_row_number >= $start and file_row_number < $stop
order by file_row_number;
