-- What is known of items and users. purpose: item or user (cohorts by attributes), liked (of items, telling something
-- about those who like them), own (of users).
create or replace temp table attribute_values(purpose varchar, entity_id varchar, place integer, value varchar);
