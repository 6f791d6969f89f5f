-- Every user: cluster of the graph, of the attributes, or none. Cohorts are numbered by size, then by the first id.
insert into cohorts
with placed as (
  select
    users.user_id,
    coalesce(clusters.cluster, cold_clusters.cluster) as cluster,
    clusters.distance
  from users
  left join clusters on clusters.user_id = users.user_id
  left join cold_clusters on cold_clusters.user_id = users.user_id
),
labels as (
  select
    cluster,
    concat('user-', row_number() over (order by count(*) desc, min(user_id))) as cohort
  from placed
  where cluster is not null
  group by cluster
)
select 'user', user_id, coalesce(cohort, 'user-unknown'), distance
from placed
left join labels using (cluster);

select
  (select count(*) from clusters) as collaborative,
  (select count(*) from cold_clusters) as by_attributes,
  (select count(*) from cohorts where entity_type = 'user' and cohort = 'user-unknown') as unknown;
