-- An attribute of items as one of users: the value with most weight among what a user likes; ties: the first in order.
insert into attribute_values
with weighed as (
  select user_numbers.user_id as user_id, cast(items.{{column}} as varchar) as value, sum(likes.weight) as weight
  from likes
  join user_numbers using (user_number)
  join item_numbers using (item_number)
  join items using (item_id)
  where nullif(trim(cast(items.{{column}} as varchar)), '') is not null
  group by all
)
select 'user', user_id, $place, value
from weighed
qualify row_number() over (partition by user_id order by weight desc, value) = 1;
