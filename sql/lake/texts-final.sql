-- Copies files whose rows are in order, one after the other, into the table of texts. $metadata is one JSON text under
-- the key `dare`. A row group of 2,048 rows, DuckDB's smallest, takes 3 MB with vectors of 256 floats, 35 MB with 4,096.
copy (
  select
    prompt_id, entity_type, entity_id, framework, cohort, text, output_token_ids, vector, finish_reason,
    prompt_tokens, output_tokens, emitted_tokens, decode_steps, drafted_tokens, accepted_tokens,
    relaxed_tokens, relaxed_positions, divergence, near_ties, pool_version, round, error, text_key
  from read_parquet($files)
) to $final (format parquet, compression snappy, row_group_size 2048, kv_metadata {dare: $metadata});
