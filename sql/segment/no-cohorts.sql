create or replace temp table cohorts(entity_type varchar, entity_id varchar, cohort varchar, distance double);
