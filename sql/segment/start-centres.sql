-- The next centre of every restart: the point with the largest squared distance to the centres so far, times a hash.
with given as (
  select cast($centres as double[16][][]) as lists
),
restarts as (
  select unnest(range(1, len(lists) + 1)) as restart, unnest(lists) as centres
  from given
),
scored as (
  select
    restart,
    node,
    coalesce(list_min(list_transform(centres, lambda c: array_distance(v, c))), 1) as distance,
    cast(md5_number_lower(concat(id, ':', restart, ':', len(centres))) as double) as draw
  from sampled_points
  cross join restarts
),
chosen as (
  select restart, arg_max(node, row(distance * distance * draw, -node)) as node
  from scored
  group by restart
)
select chosen.restart as restart, cast(sampled_points.v as double[]) as centre
from chosen
join sampled_points on sampled_points.node = chosen.node
order by restart;
