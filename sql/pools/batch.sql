-- The texts of one batch in order. Small row groups: a page reads whole ones.
copy (
  select text, complete, prompt_id from read_parquet($parts, hive_partitioning = false) order by "group", place
) to $arranged (format parquet, compression snappy, row_group_size 2048);
