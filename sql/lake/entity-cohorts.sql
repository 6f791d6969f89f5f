CREATE TABLE entity_cohorts AS
SELECT entity_type, entity_id, cohort FROM read_parquet($path);

-- An entity in two cohorts would double its rows in every table that joins this one.
SELECT entity_type, entity_id, count(*)::INTEGER AS n
FROM entity_cohorts
GROUP BY ALL
HAVING n > 1
ORDER BY ALL
LIMIT 1;
