-- Users whom ratings placed earlier stay where they were, as long as that cohort lives on; the distance is that to its
-- centre now.
create or replace temp table clusters as
with given as (
  select cast($centres as double[16][]) as centres
),
staying as (
  select earlier_cohorts.user_id, cluster_names.cluster
  from earlier_cohorts
  join cluster_names using (cohort)
  where rated
)
select
  clusters.user_id as user_id,
  coalesce(staying.cluster, clusters.cluster) as cluster,
  case
    when staying.cluster is null or staying.cluster = clusters.cluster then clusters.distance
    else array_distance(points.v, cast(centres[staying.cluster] as double[16]))
  end as distance
from clusters
cross join given
join points on points.id = clusters.user_id
left join staying on staying.user_id = clusters.user_id;
