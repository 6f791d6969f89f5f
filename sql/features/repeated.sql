-- Prompts with more than one row, and entities with more than one text of a framework.
SELECT any_value(prompt_id) AS prompt_id, framework, entity_type, entity_id, count(*)::INTEGER AS n
FROM texts
GROUP BY framework, entity_type, entity_id
HAVING n > 1
UNION ALL
SELECT prompt_id, any_value(framework), any_value(entity_type), any_value(entity_id), count(*)::INTEGER AS n
FROM texts
GROUP BY prompt_id
HAVING n > 1
ORDER BY ALL
LIMIT 1;
