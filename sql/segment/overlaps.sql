-- How many users of each cluster were in each cohort earlier.
select cluster, cohort, count(*)::integer as users
from clusters
join earlier_cohorts using (user_id)
group by cluster, cohort
order by cluster, cohort;
