-- Sizes of the cohorts.
select entity_type, cohort, count(*)::integer as size
from cohorts
group by entity_type, cohort
order by entity_type, size desc, cohort;
