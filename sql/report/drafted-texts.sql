-- The texts that depths and match lengths were counted of: those that the last command decoded.
SELECT (content ->> '$.statistics.texts')::INTEGER AS texts
FROM manifests
WHERE stage = 'decode' AND (content ->> '$.statistics.texts') IS NOT NULL;
