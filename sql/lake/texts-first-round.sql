-- Copies files whose rows are in order into the texts of a first round: with the columns that rows in the making have.
copy (
  select * from read_parquet($files)
) to $final (format parquet, compression snappy, row_group_size 2048, kv_metadata {dare: $metadata});
