-- The final cluster of every user of the graph and the distance to its centre.
create or replace temp table clusters as
with given as (
  select cast($centres as double[16][]) as centres
),
measured as (
  select id, list_transform(centres, lambda c: array_distance(v, c)) as distances
  from points
  cross join given
)
select
  id as user_id,
  cast(list_position(distances, list_min(distances)) as integer) as cluster,
  list_min(distances) as distance
from measured;
