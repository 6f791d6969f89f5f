-- Ratings of items that are in the catalogue, one for each user and item: the latest; of equally late ones the highest.
create or replace table ratings as
select user_id, item_id, rating, rated_at
from ratings_read
where item_id in (select item_id from items);

select
  (select count(*) from ratings) as known_count,
  (select min(item_id) from ratings_read where item_id not in (select item_id from items)) as unknown_example;
