-- Users outside the graph go to the cluster whose members' attributes explain theirs best (multinomial naive Bayes
-- without a prior for the cluster's size; shares smoothed by 10 ratings' weight of the overall shares).
-- Attributes are those of the liked items, by weight, and the user's own, each as one rating of full weight.
create or replace temp table user_attributes as
with item_likes as (
  select user_numbers.user_id, likes.weight, attribute_values.place, attribute_values.value
  from likes
  join user_numbers using (user_number)
  join item_numbers using (item_number)
  join attribute_values
    on attribute_values.purpose = 'liked' and attribute_values.entity_id = item_numbers.item_id
)
select user_id, 'liked' as kind, place, value, sum(weight)::bigint as weight
from item_likes
group by user_id, place, value
union all
select entity_id, 'own', place, value, 65536
from attribute_values
where purpose = 'own';

create or replace temp table cluster_shares as
with counted as (
  select cluster, kind, place, value, sum(weight)::double as weight
  from user_attributes
  join clusters using (user_id)
  group by cluster, kind, place, value
),
overall as (
  select kind, place, value, sum(weight::bigint)::double as weight
  from counted
  group by kind, place, value
),
overall_sizes as (
  select kind, place, sum(weight::bigint)::double as weight
  from overall
  group by kind, place
),
cluster_sizes as (
  select cluster, kind, place, sum(weight::bigint)::double as weight
  from counted
  group by cluster, kind, place
)
select
  cluster,
  overall.kind,
  overall.place,
  overall.value,
  cast(round(1048576 * ln(
    (coalesce(counted.weight, 0) + 655360 * overall.weight / overall_sizes.weight)
    / (cluster_sizes.weight + 655360)
  )) as bigint) as log_share
from overall
join overall_sizes using (kind, place)
join cluster_sizes using (kind, place)
left join counted using (cluster, kind, place, value);

create or replace temp table cold_clusters as
with scored as (
  select user_id, cluster, sum(weight * log_share) as score
  from user_attributes
  join cluster_shares using (kind, place, value)
  where user_id not in (select user_id from clusters)
  group by user_id, cluster
)
select user_id, cluster
from scored
qualify row_number() over (partition by user_id order by score desc, cluster) = 1;
