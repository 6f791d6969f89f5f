-- How many texts each batch holds.
select batch::integer as batch, count(*)::integer as texts from chosen group by all order by all;
