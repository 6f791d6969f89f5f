-- One cluster of all users of the graph: nothing to measure a distance from.
create or replace temp table clusters as
select id as user_id, 1 as cluster, cast(null as double) as distance
from user_nodes;
