SET VARIABLE prompts_path = $path;

CREATE OR REPLACE VIEW prompts AS
SELECT prompt_id, prompt
FROM read_parquet(getvariable('prompts_path'), hive_partitioning = false);
