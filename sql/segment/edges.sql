-- The user-item graph of likes: nodes numbered in the order of their ids, likes as weighted edges.
create or replace temp table user_nodes as
select
  cast(row_number() over (order by user_id) as integer) as node,
  user_id as id,
  cast(sum(weight) as double) as degree
from likes
group by user_id
having count(*) >= $min_ratings;

create or replace temp table item_nodes as
select
  cast(row_number() over (order by item_id) as integer) as node,
  item_id as id,
  cast(sum(weight) as double) as degree
from likes
where user_id in (select id from user_nodes)
group by item_id;

create or replace temp table edges as
select user_nodes.node as user_node, item_nodes.node as item_node, likes.weight
from likes
join user_nodes on user_nodes.id = likes.user_id
join item_nodes on item_nodes.id = likes.item_id
-- Neighbours in memory: each pass over the edges is several times as fast.
order by user_node, item_node;

-- square_sum: the sum of the squared entries of the normalised matrix, in units of 2^-52 (see src/cohorts/groups.ts).
select
  (select count(*) from user_nodes) as users,
  (select count(*) from item_nodes) as items,
  count(*) as edges,
  cast(sum(cast(round(
    cast(weight as double) * weight / (user_nodes.degree * item_nodes.degree) * 4503599627370496
  ) as bigint)) as double) / 4503599627370496 as square_sum
from edges
join user_nodes on user_nodes.node = edges.user_node
join item_nodes on item_nodes.node = edges.item_node;
