-- depends_on: {{ ref('users') }} {{ ref('ratings') }}
with rated as (
  select user_id, count(*) as ratings, max(rated_at) as last_rated_at
  from {{ source('inputs', 'ratings') }}
  group by user_id
)

select
  users.user_id,
  coalesce(rated.ratings, 0) as ratings,
  rated.last_rated_at,
  features.cohort,
  features.kar,
  features.kar_vector,
  features.model,
  features.mode,
  features.pool_version
from {{ source('inputs', 'users') }} as users
left join rated on rated.user_id = users.user_id
inner join {{ source('dare', 'features') }} as features on features.user_id = users.user_id
where features.entity_type = 'user' and features.partition = '{{ var("partition") }}'
