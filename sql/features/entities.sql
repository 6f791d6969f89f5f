-- Every user and every item once, with and without texts. user_id and item_id keep the types of the inputs.
CREATE TABLE features_0 AS
WITH entities AS (
  SELECT 'user' AS entity_type, user_id AS entity_id, user_key AS user_id, NULL AS item_id FROM users
  UNION ALL
  SELECT 'item', item_id, NULL, item_key FROM items
)
SELECT entities.*, entity_cohorts.cohort
FROM entities
LEFT JOIN entity_cohorts
  ON entity_cohorts.entity_type = entities.entity_type AND entity_cohorts.entity_id = entities.entity_id;

-- Rounds make pools of their own, so the texts of one entity may come from several versions.
CREATE TABLE provenance AS
SELECT entity_type, entity_id, string_agg(DISTINCT pool_version, ', ' ORDER BY pool_version) AS pool_version
FROM texts
WHERE error IS NULL AND text IS NOT NULL
GROUP BY entity_type, entity_id;
