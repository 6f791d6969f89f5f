-- what was rated until the end of the partition's day: a rerun for last Tuesday must not see Wednesday
select
  user_id::bigint as user_id,
  movie_id::bigint as movie_id,
  rating::double as rating,
  rated_at::timestamp as rated_at
from {{ source('raw', 'ratings') }}
where rated_at::timestamp < '{{ var("partition") }}'::date + interval 1 day
