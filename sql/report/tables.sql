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

CREATE VIEW evaluation AS
SELECT NULL::VARCHAR AS setting, NULL::VARCHAR AS entity_type, NULL::VARCHAR AS framework, NULL::INTEGER AS texts,
  NULL::DOUBLE AS tokens_per_step, NULL::DOUBLE AS same_texts, NULL::DOUBLE AS rouge_l, NULL::DOUBLE AS divergence_mean,
  NULL::DOUBLE AS divergence_max, NULL::DOUBLE AS perplexity, NULL::DOUBLE AS vector_distance,
  NULL::DOUBLE AS entity_distance, NULL::DOUBLE AS auc, NULL::DOUBLE AS log_loss, NULL::DOUBLE AS auc_difference,
  NULL::DOUBLE AS auc_low, NULL::DOUBLE AS auc_high, NULL::VARCHAR AS verdict
WHERE false;

-- Of the inputs, where they can be read: how often the members of a cohort have a value, and how entities are called.
CREATE TABLE traits (entity_type VARCHAR, cohort VARCHAR, attribute VARCHAR, value VARCHAR, n BIGINT);
CREATE TABLE labels (entity_type VARCHAR, entity_id VARCHAR, label VARCHAR);
