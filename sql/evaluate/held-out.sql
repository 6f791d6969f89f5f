-- The prompts that are held out of the pools, and whom they are about.
create or replace temp table held_prompts as select unnest($prompts) as prompt_id;
create or replace temp table held_entities as select unnest($types) as entity_type, unnest($ids) as entity_id;
