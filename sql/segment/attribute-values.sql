-- One attribute of all items or users that have it.
insert into attribute_values
select $purpose, {{id}}, $place, cast({{column}} as varchar)
from {{table}}
where nullif(trim(cast({{column}} as varchar)), '') is not null;
