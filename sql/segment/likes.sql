-- Likes: ratings above $disliked_to, weighted by how far above; in whole numbers up to 2^16. In order, so that sums over
-- them come out the same for any number of threads and any order of the ratings.
create or replace temp table likes as
select
  user_number,
  item_number,
  cast(greatest(1, round((rating - $disliked_to) / (select max(rating) - $disliked_to from numbered_ratings) * 65536)) as integer) as weight
from numbered_ratings
where rating > $disliked_to
order by user_number, item_number;
