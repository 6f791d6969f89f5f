SET VARIABLE cohorts_path = $path;

CREATE OR REPLACE VIEW cohorts AS
SELECT entity_type, entity_id, cohort, distance
FROM read_parquet(getvariable('cohorts_path'), hive_partitioning = false);
