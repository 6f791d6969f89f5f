SELECT count(*)::INTEGER AS rows
FROM read_parquet($path, hive_partitioning = false)
WHERE is_forgotten(entity_type, entity_id);
