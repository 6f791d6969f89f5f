-- Cohorts, prompts and parts of unfinished tables: row groups as prompts have them.
COPY (
  SELECT * FROM read_parquet($path, hive_partitioning = false) WHERE NOT is_forgotten(entity_type, entity_id)
) TO $copy (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
