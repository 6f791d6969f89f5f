-- Ratings of items that are in the catalogue, and the first id that isn't; the first id of a user who is none.
select
  count(*) filter ("source item" in (select item_key from rated_items)) as item_count,
  (
    select min(cast("source item" as varchar))
    from {{source}}
    where "source item" not in (select item_key from rated_items)
  ) as unknown_item,
  (
    select min(cast("source user" as varchar))
    from {{source}}
    where "source user" not in (select user_key from known_users)
  ) as unknown_user
from {{source}};
