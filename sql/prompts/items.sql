-- Items in the order of their ids, each with its cohort. Templates are rendered from pages of this table.
-- Names with an underscore in front can't collide with the user's column names.
CREATE TABLE prompt_items AS
SELECT items.* EXCLUDE (item_key), entity_cohorts.cohort AS _cohort
FROM items
LEFT JOIN entity_cohorts
  ON entity_cohorts.entity_type = 'item' AND entity_cohorts.entity_id = items.item_id
ORDER BY items.item_id;

-- One text an item for the histories of users; filled from rendered pages.
CREATE TABLE history_entries (item_id VARCHAR, entry VARCHAR);
