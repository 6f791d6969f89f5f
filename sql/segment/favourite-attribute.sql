-- An attribute of items as one of users: the value with most weight among what a user likes; ties: the first in order.
insert into attribute_values
with weighed as (
  select likes.user_id, cast(items.{{column}} as varchar) as value, sum(likes.weight) as weight
  from likes
  join items using (item_id)
  where nullif(trim(cast(items.{{column}} as varchar)), '') is not null
  group by all
)
select 'user', user_id, $place, value
from weighed
qualify row_number() over (partition by user_id order by weight desc, value) = 1;
