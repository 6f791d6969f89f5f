-- Merges the rows from prompt_id $first to $last of all runs.
copy (
  select * exclude (filename, file_row_number)
  from read_parquet($files, filename = true, file_row_number = true)
  where prompt_id between $first and $last
  order by prompt_id, round, filename, file_row_number
) to $slice (format parquet, compression snappy, row_group_size 2048);
