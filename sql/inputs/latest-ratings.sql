-- One rating for each user and item: the latest; of equally late ones the highest. No time counts as the earliest.
create or replace temp table latest_ratings as
select
  user_number,
  item_number,
  max({rated_at: coalesce(rated_at, '-infinity'::timestamp), rating: rating}).rating as rating,
  max(rated_at) as rated_at
from numbered_ratings
semi join repeated_ratings using (user_number, item_number)
group by user_number, item_number;

delete from numbered_ratings
using repeated_ratings
where numbered_ratings.user_number = repeated_ratings.user_number
  and numbered_ratings.item_number = repeated_ratings.item_number;

insert into numbered_ratings
from latest_ratings;

drop table latest_ratings;
