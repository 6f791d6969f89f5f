-- Those who stay, at the distance to their cluster's centre now.
update clusters
set cluster = stayed.cluster, distance = stayed.distance
from stayed
where stayed.user_number = clusters.user_number;
