-- What the manifest of an evaluation says of it, and whether the partition has had other texts since.
SELECT ($content::JSON ->> '$.prompts')::INTEGER AS prompts,
  ($content::JSON ->> '$.downstream.ratings')::INTEGER AS ratings,
  ($content::JSON ->> '$.downstream.seeds')::INTEGER AS seeds,
  nullif($content::JSON ->> '$.downstream.statement', '') AS statement,
  ($content::JSON ->> '$.origin.tables.texts') IS DISTINCT FROM (
    SELECT content ->> '$.table.sha256' FROM manifests WHERE stage = 'decode'
  ) AS outdated;
