-- The tables of a partition, empty until they are opened; and what the manifests beside them say.
CREATE TABLE manifests (stage VARCHAR, place INTEGER, content JSON);

CREATE VIEW cohorts AS
SELECT NULL::VARCHAR AS entity_type, NULL::VARCHAR AS entity_id, NULL::VARCHAR AS cohort, NULL::DOUBLE AS distance
WHERE false;

CREATE VIEW prompts AS
SELECT NULL::VARCHAR AS prompt_id, NULL::VARCHAR AS prompt
WHERE false;

CREATE VIEW texts AS
SELECT NULL::VARCHAR AS prompt_id, NULL::VARCHAR AS entity_type, NULL::VARCHAR AS entity_id,
  NULL::VARCHAR AS framework, NULL::VARCHAR AS cohort, NULL::VARCHAR AS text, NULL::INTEGER[] AS output_token_ids,
  NULL::VARCHAR AS finish_reason, NULL::INTEGER AS prompt_tokens, NULL::INTEGER AS output_tokens,
  NULL::INTEGER AS emitted_tokens, NULL::INTEGER AS decode_steps, NULL::INTEGER AS drafted_tokens,
  NULL::INTEGER AS accepted_tokens, NULL::INTEGER AS relaxed_tokens, NULL::INTEGER[] AS relaxed_positions, NULL::DOUBLE AS divergence, NULL::VARCHAR AS error
WHERE false;

CREATE VIEW features AS
SELECT NULL::VARCHAR AS entity_type, NULL::VARCHAR AS entity_id
WHERE false;

-- Of the inputs, where they can be read: how often the members of a cohort have a value, and how entities are called.
CREATE TABLE traits (entity_type VARCHAR, cohort VARCHAR, attribute VARCHAR, value VARCHAR, n BIGINT);
CREATE TABLE labels (entity_type VARCHAR, entity_id VARCHAR, label VARCHAR);
