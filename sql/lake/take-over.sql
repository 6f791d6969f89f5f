-- Texts of an earlier table as rows of the one in the making: whom they are about is the prompt's to say. What the steps
-- emitted isn't known of them, which tells them from rows of this run. Of a first round it is: its texts are of this run.
copy (
  select
    known.prompt_id, known.entity_type, known.entity_id, known.framework, known.cohort, text, output_token_ids, vector,
    finish_reason, prompt_tokens, output_tokens, decode_steps, drafted_tokens, accepted_tokens, relaxed_tokens,
    relaxed_positions, divergence, near_ties, pool_version, round, error, known.text_key,
    -- that of another prompt wasn't decoded for this one
    case when texts.prompt_id = known.prompt_id then emitted_tokens end as emitted_tokens,
    $may_end and finish_reason = 'stop' as ended
  from (
    -- a table of before there were positions has none; what was emitted stands in those of a first round alone
    select null::integer[] as relaxed_positions, null::integer as emitted_tokens where false
    union all by name
    select * from read_parquet($path, file_row_number = true, hive_partitioning = false)
    where file_row_number between $first and $last
  ) as texts
  join known_texts as known on known.row = texts.file_row_number
  where known.file = $file and known.chunk = $chunk
  order by known.prompt_id
) to $part (format parquet, compression snappy, row_group_size 2048);
