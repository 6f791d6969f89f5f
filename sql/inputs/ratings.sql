-- All ratings as they are in the files, and what is wrong with them.
create or replace temp table ratings_read as
select
  nullif(cast("source user" as varchar), '') as user_id,
  nullif(cast("source item" as varchar), '') as item_id,
  rating,
  rated_at,
  "time given" as time_given
from ratings_source;

select
  count(*) as row_count,
  count(*) - count(user_id) as null_users,
  count(*) - count(item_id) as null_items,
  count(*) - count(rating) as bad_ratings,
  count(*) filter (not time_given) as missing_times,
  count(*) filter (time_given and rated_at is null) as bad_times
from ratings_read;
