-- How entities are called beside their ids.
INSERT INTO labels
SELECT $entity_type, {{id}}, {{column}}::VARCHAR
FROM {{table}};
