-- Adds the text of one framework to the features so far, without its vector.
CREATE TABLE {{texts_of}} AS
SELECT entity_type, entity_id, text
FROM texts
WHERE framework = $framework AND error IS NULL AND text IS NOT NULL;

CREATE VIEW {{features}} AS
SELECT earlier.*, texts_of.text AS {{column}}
FROM {{earlier}} AS earlier
LEFT JOIN {{texts_of}} AS texts_of
  ON texts_of.entity_type = earlier.entity_type AND texts_of.entity_id = earlier.entity_id;
