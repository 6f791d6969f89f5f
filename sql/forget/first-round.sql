-- The texts of a table that were drafted from no pools.
COPY (
  SELECT * FROM read_parquet($path, hive_partitioning = false) WHERE pool_version IS NULL
) TO $copy (FORMAT parquet);
