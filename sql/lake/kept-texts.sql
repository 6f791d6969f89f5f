-- Texts of one round that a part keeps, as pools need them.
select prompt_id, entity_type, cohort, output_token_ids, ended
from read_parquet($part)
where round = $round and error is null
order by prompt_id;
