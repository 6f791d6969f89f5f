-- Prompts that are to be decoded, and the keys of their texts.
create or replace temp table prompt_keys(
  prompt_id varchar, entity_type varchar, entity_id varchar, framework varchar, cohort varchar, text_key varchar
);
