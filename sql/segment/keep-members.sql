-- Those who stay, at the distance to their cluster's centre now.
update clusters
set cluster = stayed.cluster, distance = stayed.distance
from stayed
join user_numbers using (user_number)
where user_numbers.user_id = clusters.user_id;
