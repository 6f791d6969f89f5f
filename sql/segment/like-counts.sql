-- How large the graph is at most.
select
  (select count(*) from user_numbers) as users,
  (select count(*) from item_numbers) as items,
  (select count(*) from likes) as likes;
