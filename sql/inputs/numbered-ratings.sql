-- Users numbered from 0 in the order of their ids.
create or replace table user_numbers as
select cast(row_number() over (order by user_id) - 1 as integer) as user_number, user_id
from users
order by user_number;

create or replace temp table known_users as
select user_number, user_key
from rated_users
join user_numbers on user_id = cast(user_key as varchar);

-- Ratings of known items and users. By numbers: ids as text would take up to twice the memory, and each join as long.
create or replace table numbered_ratings as
select user_number, item_number, rating, rated_at
from {{source}}
join rated_items on item_key = "source item"
join known_users on user_key = "source user";

create or replace view ratings as
select user_id, item_id, rating, rated_at
from numbered_ratings
join user_numbers using (user_number)
join item_numbers using (item_number);

select count(*) as known_count
from numbered_ratings;
