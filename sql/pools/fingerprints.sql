-- One row for each group of texts, with a fingerprint of all that decides its pool, whatever the order of the rows.
-- Where the newest texts are kept, their age decides too. `bit_xor` alone cancels pairs: so count and sum beside it.
select
  groups.entity_type,
  groups.cohort,
  count(*)::integer as texts,
  concat_ws('-', count(*), sum(hash), bit_xor(hash)) as fingerprint
from (
  select "group", hash(digest, complete, if($keep = 'recent', age, 0)) as hash
  from candidates
)
join groups on groups.number = "group"
group by groups.number, groups.entity_type, groups.cohort
order by groups.number;
