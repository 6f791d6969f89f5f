-- How many ratings there are in the files, and what is wrong with them.
select
  count(*) as row_count,
  count(*) - count(nullif(cast("source user" as varchar), '')) as null_users,
  count(*) - count(nullif(cast("source item" as varchar), '')) as null_items,
  count(*) - count(rating) as bad_ratings,
  count(*) filter (not "time given") as missing_times,
  count(*) filter ("time given" and rated_at is null) as bad_times
from {{source}};
