-- The users' cohorts of an earlier partition that ratings made, and whether ratings placed the user in it.
create or replace temp table earlier_cohorts as
select entity_id as user_id, cohort, distance is not null as rated
from read_parquet($path, hive_partitioning = false)
where entity_type = 'user' and regexp_full_match(cohort, 'user-[0-9]{1,9}');

select coalesce(max(cast(substr(cohort, 6) as integer)), 0) as last_number
from earlier_cohorts;
