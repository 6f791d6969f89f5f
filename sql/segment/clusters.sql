-- The cluster of every user of the graph and the distance to its centre, where it has one.
create or replace temp table clusters as
select user_number, user_id, cluster, case when not isnan(distance) then distance end as distance
from found_clusters
join user_numbers using (user_number);
