-- What sets a cohort apart: the values that tell most of it from all entities of its type. `share` is the value's part
-- of all values that its members have of the attribute, `overall` that of all entities; ranked by
-- share * ln(share / overall), the value's term of the Kullback-Leibler divergence. What occurs once doesn't count.
WITH shares AS (
  SELECT *,
    n / sum(n) OVER (PARTITION BY entity_type, cohort, attribute) AS share,
    sum(n) OVER (PARTITION BY entity_type, attribute, value)
      / sum(n) OVER (PARTITION BY entity_type, attribute) AS overall
  FROM traits
)
SELECT entity_type, cohort, attribute, value, share, overall
FROM shares
WHERE n > 1 AND share > overall
QUALIFY row_number() OVER (
  PARTITION BY entity_type, cohort ORDER BY share * ln(share / overall) DESC, attribute, value
) <= 3
ORDER BY entity_type, cohort, share * ln(share / overall) DESC, attribute, value;
