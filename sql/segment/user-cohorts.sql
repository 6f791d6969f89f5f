-- Every user: cluster of the graph, of the attributes, or none. Cohorts that live on keep their names; the others are
-- numbered behind the last number ever given, by size, then by the first id.
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
sized as (
  select cluster, count(*) as size, min(user_id) as first_id
  from placed
  where cluster is not null
  group by cluster
),
labels as (
  select
    cluster,
    coalesce(cluster_names.cohort, concat('user-', $last_number + row_number() over (
      partition by cluster_names.cohort is null order by size desc, first_id))) as cohort
  from sized
  left join cluster_names using (cluster)
)
select 'user', user_id, coalesce(cohort, 'user-unknown'), distance
from placed
left join labels using (cluster);

select
  (select count(*) from clusters) as collaborative,
  (select count(*) from cold_clusters) as by_attributes,
  (select count(*) from cohorts where entity_type = 'user' and cohort = 'user-unknown') as unknown,
  (
    select coalesce(max(cast(substr(cohort, 6) as integer)), 0)
    from cohorts
    where entity_type = 'user' and regexp_full_match(cohort, 'user-[0-9]{1,9}')
  ) as newest;
