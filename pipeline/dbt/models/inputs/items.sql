select
  movie_id::bigint as movie_id,
  title,
  year::integer as year,
  genre,
  director,
  source,
  creative_type,
  mpaa_rating
from {{ source('raw', 'movies') }}
