-- The cohorts of the table cohorts, the largest first, with what their texts took; and those that only texts name.
WITH members AS (
  SELECT entity_type, cohort, count(*)::INTEGER AS entities
  FROM cohorts
  GROUP BY entity_type, cohort
),
written AS (
  SELECT entity_type, cohort, count(*)::INTEGER AS texts,
    sum(emitted_tokens) / nullif(sum(decode_steps) FILTER (emitted_tokens IS NOT NULL), 0) AS tokens_per_step,
    avg(divergence) AS divergence_mean
  FROM texts
  WHERE error IS NULL AND text IS NOT NULL
  GROUP BY entity_type, cohort
)
SELECT coalesce(members.entity_type, written.entity_type) AS entity_type,
  coalesce(members.cohort, written.cohort) AS cohort,
  coalesce(entities, 0) AS entities, coalesce(texts, 0) AS texts, tokens_per_step, divergence_mean
FROM members
FULL JOIN written
  ON members.entity_type IS NOT DISTINCT FROM written.entity_type AND members.cohort IS NOT DISTINCT FROM written.cohort
ORDER BY entity_type, entities DESC, texts DESC, cohort;
