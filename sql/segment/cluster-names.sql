-- The cohorts that live on, and the cluster that is each of them now.
create or replace temp table cluster_names as
select unnest(from_json(cast($names as json), '[{"cluster": "INTEGER", "cohort": "VARCHAR"}]'), recursive := true);
