-- What decided the texts, and what they were decoded on: names and values, as text.
SELECT name, value
FROM (
  SELECT unnest([
    {place: 1, name: 'model', value: content ->> '$.model'},
    {place: 2, name: 'model fingerprint', value: content ->> '$.modelFingerprint'},
    {place: 3, name: 'device', value: content ->> '$.device'},
    {place: 4, name: 'weights', value: content ->> '$.weights'},
    {place: 5, name: 'texts together', value: content ->> '$.concurrency'},
    {place: 6, name: 'mode', value: content ->> '$.mode'},
    {place: 7, name: 'pool version', value: coalesce(content ->> '$.poolVersion', 'none')},
    {place: 8, name: 'rounds', value: content ->> '$.rounds'}
  ], recursive := true)
  FROM manifests
  WHERE stage = 'decode'
  UNION ALL
  SELECT 9, entry.key, trim(entry.value ->> '$', '"')
  FROM (FROM manifests WHERE stage = 'decode') AS decode, json_each(decode.content, '$.run') AS entry
  WHERE entry.key LIKE 'decode.%' OR entry.key = 'version of dare'
)
WHERE value IS NOT NULL
ORDER BY place, name;
