-- Every user and every item of the partition once, with and without texts: those of its cohorts, since the inputs may be later
-- ones, and have what was forgotten. Without cohorts all that the inputs have. user_id and item_id keep the types of the inputs.
CREATE TABLE features_0 AS
WITH entities AS (
  SELECT 'user' AS entity_type, user_id AS entity_id, user_key AS user_id, NULL AS item_id FROM users
  UNION ALL
  SELECT 'item', item_id, NULL, item_key FROM items
)
SELECT entities.*, entity_cohorts.cohort
FROM entities
LEFT JOIN entity_cohorts
  ON entity_cohorts.entity_type = entities.entity_type AND entity_cohorts.entity_id = entities.entity_id
WHERE entity_cohorts.entity_id IS NOT NULL OR NOT EXISTS (FROM entity_cohorts);

-- Rounds make pools of their own, so the texts of one entity may come from several versions.
CREATE TABLE provenance AS
SELECT entity_type, entity_id, string_agg(DISTINCT pool_version, ', ' ORDER BY pool_version) AS pool_version
FROM texts
WHERE error IS NULL AND text IS NOT NULL
GROUP BY entity_type, entity_id;
