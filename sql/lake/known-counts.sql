-- How many prompts of each kind have a known text.
select entity_type, framework, count(*)::integer as known
from known_texts
group by all
order by all;
