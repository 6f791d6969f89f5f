CREATE TABLE entity_cohorts (entity_type VARCHAR, entity_id VARCHAR, cohort VARCHAR);
