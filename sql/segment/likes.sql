-- Users and items numbered from 0 in the order of their ids; seed: 32 bits of the id's hash, for draws that last.
create or replace temp table user_numbers as
select
  cast(row_number() over (order by user_id) - 1 as integer) as user_number,
  user_id,
  cast(md5_number_lower(user_id) & 4294967295 as uinteger) as seed
from users
order by user_number;

create or replace temp table item_numbers as
select
  cast(row_number() over (order by item_id) - 1 as integer) as item_number,
  item_id,
  cast(md5_number_lower(item_id) & 4294967295 as uinteger) as seed
from items
order by item_number;

-- Likes: ratings above $disliked_to, weighted by how far above; in whole numbers up to 2^16. In order, so that sums over
-- them come out the same for any number of threads and any order of the ratings.
create or replace temp table likes as
select
  user_number,
  item_number,
  cast(greatest(1, round((rating - $disliked_to) / (select max(rating) - $disliked_to from ratings) * 65536)) as integer) as weight
from ratings
join user_numbers using (user_id)
join item_numbers using (item_id)
where rating > $disliked_to
order by user_number, item_number;
