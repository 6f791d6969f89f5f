-- Each prompt as the last message of a chat, after the worked examples of its framework and entity type ($shots: a
-- JSON object of message lists under <framework>_<entity type>). Prompts without examples are left out.
copy (
  with examples as (
    select unnest(json_keys(json)) as task, unnest(json_extract(json, '$.*')) as messages
    from read_json_objects($shots)
  )
  select
    prompt_id, entity_type, entity_id, framework, cohort,
    list_append(
      from_json(messages, '[{"role":"VARCHAR","content":"VARCHAR"}]'),
      {'role': 'user', 'content': prompt}
    ) as messages
  from read_parquet($prompts)
  join examples on task = framework || '_' || entity_type
  order by prompt_id
) to $out (format parquet, compression zstd);
