-- How many texts the sorted file holds.
select count(*) as texts from read_parquet($sorted);
