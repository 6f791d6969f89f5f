-- What a row of tables of texts takes in memory on the average, in bytes.
select coalesce(sum(total_uncompressed_size) / (select sum(num_rows) from parquet_file_metadata($files)), 0)::double as bytes
from parquet_metadata($files);
