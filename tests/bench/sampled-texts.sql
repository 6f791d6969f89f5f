-- Sampled texts (JSON lines of id and text) with what their prompts say of them: a file of texts for pools.
copy (
  select prompt_id, entity_type, entity_id, framework, cohort, text
  from read_json($texts, format = 'newline_delimited', columns = {'id': 'VARCHAR', 'text': 'VARCHAR'}) texts
  join read_parquet($prompts) on prompt_id = texts.id
  order by prompt_id, text
) to $out (format parquet, compression zstd);
