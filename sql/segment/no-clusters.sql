create or replace temp table found_clusters(user_number integer, cluster integer, distance double);
