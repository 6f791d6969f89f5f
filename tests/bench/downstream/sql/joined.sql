-- The texts of both halves.
copy (select * from read_parquet([$a, $b]) order by prompt_id) to $out (format parquet, compression zstd);
