-- What is kept in parts: sums over the rows of each round and cohort. Those taken over from earlier tables are apart, and
-- so are those of a first round, which alone have no pools in a run that has some ($pooled).
select
  round,
  entity_type,
  cohort,
  taken_over,
  $pooled and not taken_over and error is null and pool_version is null as first_round,
  count(*)::integer as rows,
  count(error)::integer as failed,
  coalesce(sum(output_tokens), 0)::double as output_tokens,
  coalesce(sum(emitted_tokens), 0)::double as emitted_tokens,
  coalesce(sum(decode_steps), 0)::double as decode_steps,
  coalesce(sum(drafted_tokens), 0)::double as drafted_tokens,
  coalesce(sum(accepted_tokens), 0)::double as accepted_tokens,
  coalesce(sum(relaxed_tokens), 0)::double as relaxed_tokens,
  coalesce(sum(near_ties), 0)::double as near_ties,
  (count(*) filter (finish_reason = 'context'))::integer as cut_by_context,
  coalesce(sum(divergence), 0) as divergence
from read_parquet($files)
group by all
order by all;
