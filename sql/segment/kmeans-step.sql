-- Each point to its nearest centre (ties: the lowest), then sums for the new centres, for all restarts at once.
with given as (
  select cast($centres as double[16][][]) as lists
),
restarts as (
  select unnest(range(1, len(lists) + 1)) as restart, unnest(lists) as centres
  from given
),
measured as (
  select
    restart,
    list_transform(centres, lambda c: array_distance(v, c)) as distances,
    columns('^f\d+$')
  from {{points}}
  cross join restarts
),
assigned as (
  select
    restart,
    list_min(distances) as distance,
    list_position(distances, list_min(distances)) as cluster,
    columns('^f\d+$')
  from measured
)
select
  restart,
  cluster,
  count(*) as size,
  cast(sum(cast(round(distance * distance * 4294967296) as bigint)) as double) / 4294967296 as spread,
  cast(sum(columns('^f\d+$')) as double) / 4294967296
from assigned
group by restart, cluster
order by restart, cluster;
