-- What publish would say of each text of a JSON list, in its order. The macros are those of features/faults.sql.
select
  is_repetitive(words_of(entry.text)) as repetitive,
  case when entry.framework = 'rlmrec' then is_unparsable(entry.text) end as unparsable
from (
  select unnest(entries) as entry, unnest(range(len(entries))) as place
  from (select from_json($texts::json, '[{"text": "varchar", "framework": "varchar"}]') as entries)
)
order by place;
