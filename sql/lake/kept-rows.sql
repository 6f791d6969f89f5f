-- Rows (from 0) of a file of prompts whose texts are kept in parts, and whether the pools may be made of them: those that
-- were taken over from earlier tables, and those of a first round, which alone have no pools in a run that has some ($pooled).
select
  prompts.file_row_number as row,
  kept.error is null and (kept.taken_over or ($pooled and kept.pool_version is null)) as in_pools
from read_parquet($prompts, file_row_number = true) as prompts
join read_parquet($files) as kept on kept.prompt_id = prompts.prompt_id::varchar;
