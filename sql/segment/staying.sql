-- Users whom ratings placed earlier stay where they were, as long as that cohort lives on: those who would go elsewhere.
create or replace temp table staying as
select user_number, cluster_names.cluster as cluster
from earlier_cohorts
join cluster_names using (cohort)
join clusters using (user_id)
where rated and cluster_names.cluster <> clusters.cluster;

create or replace temp table stayed(user_number integer, cluster integer, distance double);
