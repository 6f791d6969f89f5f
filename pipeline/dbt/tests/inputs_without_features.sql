-- Users and items that DARE was given and that its marts lack: they join inputs to features, and what has no features falls
-- out. A partition without any features is one that DARE refused (empty inputs), and has nothing to compare.
{% for mart, input, id in [('user_features', 'users', 'user_id'), ('item_features', 'items', 'movie_id')] %}
select '{{ input }}' as input, inputs.{{ id }} as id
from {{ source('inputs', input) }} as inputs
where not exists (select 1 from {{ ref(mart) }} as mart where mart.{{ id }} = inputs.{{ id }})
  and exists (select 1 from {{ source('dare', 'features') }} where partition = '{{ var("partition") }}')
{% if not loop.last %}union all{% endif %}
{% endfor %}
