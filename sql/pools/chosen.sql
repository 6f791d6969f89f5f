-- How many texts of each group were chosen.
select "group"::integer as "group", count(*)::integer as texts from chosen group by all order by all;
