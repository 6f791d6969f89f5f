-- How many ratings a later one of the same user and item replaces.
select coalesce(sum(times - 1), 0)::bigint as repeated
from (select count(*) as times from ratings group by user_id, item_id having times > 1);
