COPY (SELECT * FROM rendered ORDER BY prompt_id)
TO $path (FORMAT parquet, COMPRESSION zstd);
