-- Rows $start (from 0) up to but not including $stop of the arranged texts.
select text, complete, prompt_id
from read_parquet($arranged, file_row_number = true)
where file_row_number >= $start and file_row_number < $stop
order by file_row_number;
