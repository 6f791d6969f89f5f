CREATE TABLE rendered (
  prompt_id VARCHAR,
  entity_type VARCHAR,
  entity_id VARCHAR,
  framework VARCHAR,
  cohort VARCHAR,
  prompt VARCHAR,
  prompt_tokens INTEGER
);
