-- Features: row groups as sql/features/write.sql writes them.
COPY (
  SELECT * FROM read_parquet($path, hive_partitioning = false) WHERE NOT is_forgotten(entity_type, entity_id)
) TO $copy (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480);
