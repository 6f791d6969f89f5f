-- depends_on: {{ ref('items') }}
select
  items.movie_id,
  items.title,
  items.year,
  items.genre,
  features.cohort,
  features.kar,
  features.kar_vector,
  features.model,
  features.mode,
  features.pool_version
from {{ source('inputs', 'items') }} as items
inner join {{ source('dare', 'features') }} as features on features.item_id = items.movie_id
where features.entity_type = 'item' and features.partition = '{{ var("partition") }}'
