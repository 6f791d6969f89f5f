-- What the partition holds, in one row. Tokens a step count what steps emitted, end tokens too, of the
-- texts of which that is known.
SELECT
  (count(*) FILTER (error IS NULL AND text IS NOT NULL))::INTEGER AS texts,
  (count(*) FILTER (error IS NOT NULL OR text IS NULL))::INTEGER AS failed,
  coalesce(sum(output_tokens), 0)::DOUBLE AS output_tokens,
  coalesce(sum(decode_steps), 0)::DOUBLE AS decode_steps,
  sum(emitted_tokens) / nullif(sum(decode_steps) FILTER (emitted_tokens IS NOT NULL), 0) AS tokens_per_step,
  coalesce(sum(relaxed_tokens), 0)::DOUBLE AS relaxed_tokens,
  sum(relaxed_tokens) / nullif(sum(output_tokens), 0) AS relaxed_share,
  avg(divergence) AS divergence_mean,
  (SELECT count(*) FROM cohorts WHERE entity_type = 'user')::INTEGER AS users,
  (SELECT count(*) FROM cohorts WHERE entity_type = 'item')::INTEGER AS items,
  (SELECT count(DISTINCT cohort) FROM cohorts WHERE entity_type = 'user')::INTEGER AS user_cohorts,
  (SELECT count(DISTINCT cohort) FROM cohorts WHERE entity_type = 'item')::INTEGER AS item_cohorts,
  (SELECT count(*) FROM prompts)::INTEGER AS prompts,
  (SELECT count(*) FROM features)::INTEGER AS features,
  (SELECT sum((content ->> '$.lastRun.seconds')::DOUBLE) FROM manifests) AS seconds
FROM texts;
