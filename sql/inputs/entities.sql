-- Items or users as a table: the id as text, our columns, the id in its own type.
create or replace table {{table}} as
select
  nullif(cast("source key" as varchar), '') as {{id}},
  * exclude ("source key"),
  try_cast("source key" as {{key_type}}) as {{key}}
from {{source}};

select count(*) as row_count, count({{id}}) as id_count, count(distinct {{id}}) as distinct_count
from {{table}};
