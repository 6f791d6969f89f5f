-- Rows $start (from 0) up to but not including $stop of the sorted texts.
select text, entity_type, entity_id, cohort, prompt_id
from read_parquet($sorted, file_row_number = true)
where file_row_number >= $start and file_row_number < $stop
order by file_row_number;
