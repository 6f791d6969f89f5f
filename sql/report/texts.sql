SET VARIABLE texts_path = $path;

CREATE OR REPLACE VIEW texts AS
SELECT prompt_id, entity_type, entity_id, framework, cohort, text, output_token_ids, finish_reason, prompt_tokens,
  output_tokens, decode_steps, drafted_tokens, accepted_tokens, relaxed_tokens, divergence, error
FROM read_parquet(getvariable('texts_path'), hive_partitioning = false);
