-- How texts ended; `error` for prompts without a text.
SELECT coalesce(if(error IS NULL, finish_reason, 'error'), 'unknown') AS ending, count(*)::INTEGER AS texts
FROM texts
GROUP BY ending
ORDER BY texts DESC, ending;
