-- Points for k-means: components weighted by their singular values ($weights, 0 for those left out) and scaled so that
-- a point's size does not depend on the number of users. v for distances, f0.. (units of 2^-32) for exact sums.
create or replace temp table points as
with weighting as (
  select cast($weights as double[16]) as s, sqrt((select count(*) from user_nodes)) as size
),
weighted as (
  select
    user_vectors.node as node,
    user_nodes.id as id,
    array_value(
      z0 * s[1] * size,
      z1 * s[2] * size,
      z2 * s[3] * size,
      z3 * s[4] * size,
      z4 * s[5] * size,
      z5 * s[6] * size,
      z6 * s[7] * size,
      z7 * s[8] * size,
      z8 * s[9] * size,
      z9 * s[10] * size,
      z10 * s[11] * size,
      z11 * s[12] * size,
      z12 * s[13] * size,
      z13 * s[14] * size,
      z14 * s[15] * size,
      z15 * s[16] * size
    ) as v
  from user_vectors
  join user_nodes on user_nodes.node = user_vectors.node
  cross join weighting
)
select
  node,
  id,
  v,
  cast(round(v[1] * 4294967296) as bigint) as f0,
  cast(round(v[2] * 4294967296) as bigint) as f1,
  cast(round(v[3] * 4294967296) as bigint) as f2,
  cast(round(v[4] * 4294967296) as bigint) as f3,
  cast(round(v[5] * 4294967296) as bigint) as f4,
  cast(round(v[6] * 4294967296) as bigint) as f5,
  cast(round(v[7] * 4294967296) as bigint) as f6,
  cast(round(v[8] * 4294967296) as bigint) as f7,
  cast(round(v[9] * 4294967296) as bigint) as f8,
  cast(round(v[10] * 4294967296) as bigint) as f9,
  cast(round(v[11] * 4294967296) as bigint) as f10,
  cast(round(v[12] * 4294967296) as bigint) as f11,
  cast(round(v[13] * 4294967296) as bigint) as f12,
  cast(round(v[14] * 4294967296) as bigint) as f13,
  cast(round(v[15] * 4294967296) as bigint) as f14,
  cast(round(v[16] * 4294967296) as bigint) as f15
from weighted;

-- Restarts run on a part of the users chosen by hash; the best one goes on with all of them.
create or replace temp table sampled_points as
select *
from points
order by md5_number_lower(id), id
limit $sample_size;
