-- Users without a file of their own: those who rated.
create or replace table users as
select distinct user_id
from ratings;

create or replace temp view users_source as
select user_id as "source key"
from users;
