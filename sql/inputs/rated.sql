-- Items numbered from 0 in the order of their ids, and the ids of ratings that are theirs.
create or replace table item_numbers as
select cast(row_number() over (order by item_id) - 1 as integer) as item_number, item_id
from items
order by item_number;

create or replace temp table rated_items as
select item_number, "source item" as item_key
from (select distinct "source item" from {{source}})
join item_numbers on item_id = cast("source item" as varchar);

-- Who rated them.
create or replace temp table rated_users as
select distinct "source user" as user_key
from {{source}}
where "source item" in (select item_key from rated_items);
