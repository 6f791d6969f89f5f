-- Texts and shards: row groups and metadata as sql/lake/texts-final.sql writes them.
COPY (
  SELECT * FROM read_parquet($path, hive_partitioning = false) WHERE NOT is_forgotten(entity_type, entity_id)
) TO $copy (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 2048, KV_METADATA {dare: $metadata});
