-- Pairs of user and item with several ratings, of the users from number $first up to $last.
insert into repeated_ratings
select user_number, item_number, count(*)
from numbered_ratings
where user_number >= $first and user_number < $last
group by user_number, item_number
having count(*) > 1;
