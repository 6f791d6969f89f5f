-- Puts some parts of a table of texts into order. Small row groups with the least and the greatest prompt_id of each: a
-- slice then reads few rows that it doesn't take.
copy (
  select * exclude (filename, file_row_number)
  from read_parquet($files, filename = true, file_row_number = true)
  order by prompt_id, round, filename, file_row_number
) to $run (format parquet, compression snappy, row_group_size 2048);
