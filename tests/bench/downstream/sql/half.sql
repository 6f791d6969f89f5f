-- The prompts of one half, of so many items and users.
copy (
  select * exclude (place, half)
  from read_parquet($prompts)
  where half = $half and place <= if(entity_type = 'item', $items::BIGINT, $users::BIGINT)
  order by prompt_id
) to $out (format parquet, compression zstd);
