-- Small row groups: the decode stage reads page by page, and takes memory for a row group at a time.
COPY (SELECT * FROM rendered ORDER BY prompt_id)
TO $path (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
