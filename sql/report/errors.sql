SELECT error, count(*)::INTEGER AS prompts, min(prompt_id) AS example
FROM texts
WHERE error IS NOT NULL
GROUP BY error
ORDER BY prompts DESC, error
LIMIT 10;
