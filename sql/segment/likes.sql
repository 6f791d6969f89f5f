-- Likes: ratings above $disliked_to, weighted by how far above; in whole numbers up to 2^16, so that every sum over them
-- is exact and comes out the same for any number of threads and any order of the rows.
create or replace temp table likes as
select
  user_id,
  item_id,
  cast(greatest(1, round((rating - $disliked_to) / (select max(rating) - $disliked_to from ratings) * 65536)) as bigint) as weight
from ratings
where rating > $disliked_to;
