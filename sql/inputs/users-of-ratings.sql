-- Users without a file of their own: those who rated.
create or replace table users as
select cast(user_key as varchar) as user_id
from rated_users;

create or replace temp view users_source as
select user_id as "source key"
from users;
