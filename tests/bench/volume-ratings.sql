-- Ratings of planted tastes: users and items belong to one of 24, four ratings in five fall into the user's own.
-- A user rates about the same number of items; the same numbers in every run.
copy (
  with drawn as (
    select
      r,
      hash(r) % $users::ubigint as user_id,
      hash(r + 1000000007) as luck,
      hash(r + 2000000011) % ($items::ubigint // 24) as place
    from range($ratings::bigint) t (r)
  )
  select
    user_id,
    place * 24 + if(luck % 5 < 4, user_id, luck // 7) % 24 as item_id,
    (1 + if(luck % 5 < 4, 3 + luck // 11 % 2, luck // 11 % 5))::tinyint as rating,
    (1700000000 + r % 10000000)::bigint as rated_at
  from drawn
) to $ratings_file (format parquet);
