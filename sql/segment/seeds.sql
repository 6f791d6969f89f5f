-- 32 bits of the ids' hashes, in the order of the numbers: draws that depend on them last.
create or replace temp table user_seeds as
select cast(md5_number_lower(user_id) & 4294967295 as uinteger) as seed
from user_numbers
order by user_number;

create or replace temp table item_seeds as
select cast(md5_number_lower(item_id) & 4294967295 as uinteger) as seed
from item_numbers
order by item_number;
