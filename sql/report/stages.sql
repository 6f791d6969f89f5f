-- The stages whose tables are there: rows, and how long the last run took; null where the manifest doesn't say.
SELECT stage,
  coalesce((content ->> '$.rows')::DOUBLE, (content ->> '$.texts')::DOUBLE) AS rows,
  (content ->> '$.lastRun.seconds')::DOUBLE AS seconds
FROM manifests
ORDER BY place;
