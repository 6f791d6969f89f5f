-- Adds the two columns of one framework to the features so far. stored_vector is float32.sql's or float16.sql's.
CREATE TABLE {{texts_of}} AS
SELECT entity_type, entity_id, text, stored_vector(vector) AS vector
FROM texts
WHERE framework = $framework AND error IS NULL AND text IS NOT NULL;

CREATE VIEW {{features}} AS
SELECT earlier.*, texts_of.text AS {{column}}, texts_of.vector AS {{vector_column}}
FROM {{earlier}} AS earlier
LEFT JOIN {{texts_of}} AS texts_of
  ON texts_of.entity_type = earlier.entity_type AND texts_of.entity_id = earlier.entity_id;
