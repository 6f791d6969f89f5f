-- Adds one attribute of the items that users rated well, once for each of these.
INSERT INTO traits
SELECT 'user', cohort, 'likes ' || $attribute, {{column}}::VARCHAR AS value, sum(n)
FROM liked
JOIN items USING (item_id)
WHERE nullif({{column}}::VARCHAR, '') IS NOT NULL
GROUP BY cohort, value;
