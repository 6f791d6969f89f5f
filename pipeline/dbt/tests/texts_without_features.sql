-- Texts whose user or item has no row in the features of their own partition; a row in another partition's is none.
-- (The test `relationships` knows one column alone.)
select texts.prompt_id
from {{ source('dare', 'texts') }} as texts
where texts.partition = '{{ var("partition") }}'
  and not exists (
    select 1 from {{ source('dare', 'features') }} as features
    where (features.partition, features.entity_type, features.entity_id)
      = (texts.partition, texts.entity_type, texts.entity_id)
  )
