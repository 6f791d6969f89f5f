-- With a file of users: ratings by others are left out.
create or replace table ratings as
select *
from ratings
where user_id in (select user_id from users);

select
  (select count(*) from ratings) as known_count,
  (select min(user_id) from ratings_read where user_id not in (select user_id from users)) as unknown_example;
