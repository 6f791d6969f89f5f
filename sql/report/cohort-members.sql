-- Three members of each cohort: those nearest to its centre, without one the first by id.
SELECT entity_type, cohort, entity_id, label
FROM cohorts
LEFT JOIN labels USING (entity_type, entity_id)
QUALIFY row_number() OVER (PARTITION BY entity_type, cohort ORDER BY distance NULLS LAST, entity_id) <= 3
ORDER BY entity_type, cohort, distance NULLS LAST, entity_id;
