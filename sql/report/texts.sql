SET VARIABLE texts_path = $path;

CREATE OR REPLACE VIEW texts AS
WITH texts AS (
  -- a table of before there were positions or emitted tokens has none
  SELECT NULL::INTEGER[] AS relaxed_positions, NULL::INTEGER AS emitted_tokens WHERE false
  UNION ALL BY NAME
  FROM read_parquet(getvariable('texts_path'), hive_partitioning = false)
)
SELECT prompt_id, entity_type, entity_id, framework, cohort, text, output_token_ids, finish_reason, prompt_tokens,
  output_tokens, emitted_tokens, decode_steps, drafted_tokens, accepted_tokens, relaxed_tokens, relaxed_positions,
  divergence, error
FROM texts;
