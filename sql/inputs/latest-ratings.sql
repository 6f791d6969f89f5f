-- One rating for each user and item: the latest; of equally late ones the highest. No time counts as the earliest.
create or replace table ratings as
select
  user_id,
  item_id,
  max({rated_at: coalesce(rated_at, '-infinity'::timestamp), rating: rating}).rating as rating,
  max(rated_at) as rated_at
from ratings
group by user_id, item_id;
