-- Rows (from 0) of a file of prompts whose texts are kept in parts.
select file_row_number as row
from read_parquet($prompts, file_row_number = true)
where prompt_id::varchar in (select prompt_id from read_parquet($files));
