-- How many rows of a table have a value, column by column.
select count(columns('(.*)')) as '\1'
from {{table}};
