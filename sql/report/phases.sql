-- Where decode's time went, in seconds, the parts one after the other. In the decode loop the model, drafts and
-- verification take turns; what else it does is `loop`. `beside` is the time in which no text was being decoded: prompts
-- are read, pools made between rounds. Shards have loops alone, and theirs are added up.
WITH times AS (
  SELECT
    (content ->> '$.lastRun.phases.loading')::DOUBLE AS loading,
    (content ->> '$.lastRun.phases.decoding')::DOUBLE AS decoding,
    (content ->> '$.lastRun.phases.writing')::DOUBLE AS writing,
    (content ->> '$.statistics.busy')::DOUBLE / 1000 AS busy,
    (content ->> '$.statistics.prefill')::DOUBLE / 1000 AS prefill,
    (content ->> '$.statistics.steps')::DOUBLE / 1000 AS steps,
    (content ->> '$.statistics.draft')::DOUBLE / 1000 AS draft,
    (content ->> '$.statistics.verify')::DOUBLE / 1000 AS verify
  FROM manifests
  WHERE stage = 'decode'
)
SELECT phase, seconds
FROM (
  SELECT unnest([
    {place: 1, phase: 'load', seconds: loading},
    {place: 2, phase: 'draft', seconds: draft},
    {place: 3, phase: 'prompts', seconds: prefill},
    {place: 4, phase: 'model', seconds: steps},
    {place: 5, phase: 'verify', seconds: verify},
    {place: 6, phase: 'loop', seconds: greatest(busy - prefill - steps - draft - verify, 0)},
    {place: 7, phase: 'beside', seconds: greatest(decoding - busy, 0)},
    {place: 8, phase: 'write', seconds: writing}
  ], recursive := true)
  FROM times
)
WHERE seconds IS NOT NULL
ORDER BY place;
