-- Joins the parts of a table of texts into one file, ordered by prompt_id: it doesn't tell in which order rows were
-- finished. $metadata is one JSON text under the key `dare`.
copy (
  select
    prompt_id, entity_type, entity_id, framework, cohort, text, output_token_ids, vector, finish_reason,
    prompt_tokens, output_tokens, decode_steps, drafted_tokens, accepted_tokens, relaxed_tokens, divergence,
    near_ties, pool_version, round, error
  from read_parquet($parts, filename = true, file_row_number = true)
  order by prompt_id, round, filename, file_row_number
) to $final (format parquet, compression snappy, row_group_size 8192, kv_metadata {dare: $metadata});
