-- Rows (from 0) of a file of prompts whose texts are kept in parts, and whether these were taken over from earlier tables.
select prompts.file_row_number as row, kept.emitted_tokens is null and kept.error is null as taken_over
from read_parquet($prompts, file_row_number = true) as prompts
join read_parquet($files) as kept on kept.prompt_id = prompts.prompt_id::varchar;
