select
  user_id::bigint as user_id,
  planted_taste as taste
from {{ source('raw', 'users') }}
