SELECT framework, entity_type,
  count(*)::INTEGER AS texts,
  avg(prompt_tokens) AS prompt_tokens,
  avg(output_tokens) AS output_tokens,
  sum(emitted_tokens) / nullif(sum(decode_steps) FILTER (emitted_tokens IS NOT NULL), 0) AS tokens_per_step,
  sum(accepted_tokens) / nullif(sum(drafted_tokens), 0) AS accepted_share,
  sum(relaxed_tokens) / nullif(sum(output_tokens), 0) AS relaxed_share
FROM texts
WHERE error IS NULL AND text IS NOT NULL
GROUP BY framework, entity_type
ORDER BY framework, entity_type;
