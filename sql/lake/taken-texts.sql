-- Texts that were taken over from earlier tables, as pools need them: those of the lowest hashes, however parts are cut.
select prompt_id, entity_type, cohort, output_token_ids, ended
from read_parquet($files)
where error is null and taken_over
order by md5(prompt_id), prompt_id
limit $most;
