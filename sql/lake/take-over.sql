-- Texts of an earlier table as rows of the one in the making: whom they are about is the prompt's to say. Those of a first
-- round are of this run, unless they were taken over themselves, or are used for another prompt.
copy (
  select
    known.prompt_id, known.entity_type, known.entity_id, known.framework, known.cohort, text, output_token_ids, vector,
    finish_reason, prompt_tokens, output_tokens, emitted_tokens, decode_steps, drafted_tokens, accepted_tokens,
    relaxed_tokens, relaxed_positions, divergence, near_ties, pool_version, round, error, known.text_key,
    $may_end and finish_reason = 'stop' as ended,
    taken_over is distinct from false or texts.prompt_id <> known.prompt_id as taken_over
  from (
    -- a table of before there were positions or emitted tokens has none; only a first round says what it has taken over
    select null::integer[] as relaxed_positions, null::integer as emitted_tokens, null::boolean as taken_over where false
    union all by name
    select * from read_parquet($path, file_row_number = true, hive_partitioning = false)
    where file_row_number between $first and $last
  ) as texts
  join known_texts as known on known.row = texts.file_row_number
  where known.file = $file and known.chunk = $chunk
  order by known.prompt_id
) to $part (format parquet, compression snappy, row_group_size 2048);
