-- Adds one attribute of the items or users themselves.
INSERT INTO traits
SELECT $entity_type, cohort, $attribute, {{column}}::VARCHAR AS value, count(*)
FROM {{table}}
JOIN cohorts ON entity_type = $entity_type AND entity_id = {{id}}
WHERE nullif({{column}}::VARCHAR, '') IS NOT NULL
GROUP BY cohort, value;
