-- Users without enough ratings stay too.
create or replace temp table cold_clusters as
select cold_clusters.user_id as user_id, coalesce(cluster_names.cluster, cold_clusters.cluster) as cluster
from cold_clusters
left join earlier_cohorts on earlier_cohorts.user_id = cold_clusters.user_id
left join cluster_names on cluster_names.cohort = earlier_cohorts.cohort;
