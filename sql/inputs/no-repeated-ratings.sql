create or replace temp table repeated_ratings(user_number integer, item_number integer, times bigint);
