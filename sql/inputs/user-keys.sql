create or replace table users as
select user_id, cast(user_id as {{key_type}}) as user_key
from users
order by user_id;
