-- Users outside the graph go to the cluster whose members' attributes explain theirs best (multinomial naive Bayes
-- without a prior for the cluster's size; shares smoothed by 10 ratings' weight of the overall shares).
-- Attributes are those of the liked items, by weight, and the user's own, each as one rating of full weight.

-- Values have numbers, which join and group faster than texts. kind: liked or own.
create or replace temp table traits as
select cast(row_number() over (order by kind, place, value) as integer) as trait, kind, place, value
from (
  select distinct purpose as kind, place, value
  from attribute_values
  where purpose in ('liked', 'own')
);

create or replace temp table item_traits as
select item_number, trait
from attribute_values
join traits on kind = purpose and traits.place = attribute_values.place and traits.value = attribute_values.value
join item_numbers on item_id = entity_id
where purpose = 'liked';

create or replace temp table user_traits as
select user_number, trait
from attribute_values
join traits on kind = purpose and traits.place = attribute_values.place and traits.value = attribute_values.value
join user_numbers on user_id = entity_id
where purpose = 'own';

create or replace temp table cluster_shares as
with counted as (
  select cluster, trait, sum(weight)::double as weight
  from (
    select cluster, trait, likes.weight as weight
    from likes
    join clusters using (user_number)
    join item_traits using (item_number)
    union all
    select cluster, trait, 65536
    from user_traits
    join clusters using (user_number)
  )
  group by cluster, trait
),
overall as (
  select trait, kind, place, sum(weight::bigint)::double as weight
  from counted
  join traits using (trait)
  group by trait, kind, place
),
overall_sizes as (
  select kind, place, sum(weight::bigint)::double as weight
  from overall
  group by kind, place
),
cluster_sizes as (
  select cluster, kind, place, sum(weight::bigint)::double as weight
  from counted
  join traits using (trait)
  group by cluster, kind, place
)
select
  cluster,
  trait,
  cast(round(1048576 * ln(
    (coalesce(counted.weight, 0) + 655360 * overall.weight / overall_sizes.weight)
    / (cluster_sizes.weight + 655360)
  )) as bigint) as log_share
from overall
join overall_sizes using (kind, place)
join cluster_sizes using (kind, place)
left join counted using (cluster, trait);

-- Apart from the query below, which would multiply the likes of all users by the clusters.
create or replace temp table cold_traits as
select user_number, trait, weight
from likes
anti join clusters using (user_number)
join item_traits using (item_number)
union all
select user_number, trait, 65536
from user_traits
anti join clusters using (user_number);

create or replace temp table cold_clusters as
with scored as (
  select user_number, cluster, sum(cast(weight as bigint) * log_share) as score
  from cold_traits
  join cluster_shares using (trait)
  group by user_number, cluster
),
-- ties: the first cluster
chosen as (
  select user_number, arg_max(cluster, row(score, -cluster)) as cluster
  from scored
  group by user_number
)
select user_id, cluster
from chosen
join user_numbers using (user_number);
