-- The texts are read from their file where they are needed; no second copy of the vectors is made.
SET VARIABLE texts_path = $path;

CREATE VIEW texts AS
SELECT prompt_id, entity_type, entity_id, framework,
  text::VARCHAR AS text, vector::FLOAT[] AS vector, pool_version::VARCHAR AS pool_version, finish_reason, error
FROM read_parquet(getvariable('texts_path'));
