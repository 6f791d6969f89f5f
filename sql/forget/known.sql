-- Which of those who are to be forgotten have rows in some table.
SELECT DISTINCT entity_type, entity_id
FROM read_parquet($files, union_by_name = true, hive_partitioning = false)
WHERE is_forgotten(entity_type, entity_id);
