SET VARIABLE features_path = $path;

CREATE OR REPLACE VIEW features AS
SELECT entity_type, entity_id
FROM read_parquet(getvariable('features_path'), hive_partitioning = false);
