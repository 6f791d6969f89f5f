-- Groups by the values of the attributes. The largest $groups stay (ties: the first id); when there are more,
-- the last of them is "other" and takes the rest. Nothing known: "unknown".
-- Labels: letters and digits of the values in lower case; the same label again gets "~2", "~3".
insert into cohorts
with keyed as (
  select
    entity_id,
    string_agg(concat(place, '=', value), chr(31) order by place) as key,
    string_agg(value, ' ' order by place) as words
  from attribute_values
  where purpose = $entity_type
  group by entity_id
),
ranked as (
  select
    key,
    any_value(words) as words,
    row_number() over (order by count(*) desc, min(entity_id)) as rank,
    count(*) over () as total
  from keyed
  group by key
),
kept as (
  select
    key,
    case when total > $groups and rank >= $groups then null else key end as kept_key,
    case when total > $groups and rank >= $groups then 'other' else words end as words
  from ranked
),
placed as (
  select
    entities.{{id}} as entity_id,
    case when kept.key is null then 'unknown' when kept_key is null then 'other' else concat('=', kept_key) end as key,
    coalesce(kept.words, 'unknown') as words
  from {{table}} as entities
  left join keyed on keyed.entity_id = entities.{{id}}
  left join kept on kept.key = keyed.key
),
grouped as (
  select
    key,
    count(*) as size,
    min(entity_id) as first_id,
    left(coalesce(nullif(
      trim(regexp_replace(lower(any_value(words)), '[^\p{L}\p{N}]+', '-', 'g'), '-'), ''), 'group'), 60) as label
  from placed
  group by key
),
labelled as (
  select
    key,
    label,
    row_number() over (partition by label order by size desc, first_id) as again
  from grouped
)
select
  $entity_type,
  entity_id,
  concat($entity_type, '-', label, case when again > 1 then concat('~', again) end),
  null
from placed
join labelled using (key);

select count(distinct key) as total
from (
  select string_agg(concat(place, '=', value), chr(31) order by place) as key
  from attribute_values
  where purpose = $entity_type
  group by entity_id
);
