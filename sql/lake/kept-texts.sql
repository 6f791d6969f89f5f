-- Texts of one round that a part keeps, as pools need them; not those that were taken over.
select prompt_id, entity_type, cohort, output_token_ids, ended
from read_parquet($part)
where round = $round and error is null and not taken_over
order by prompt_id;
