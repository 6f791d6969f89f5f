-- How many rows a list of Parquet files holds, by their footers alone.
select sum(num_rows)::double as rows from parquet_file_metadata($files);
