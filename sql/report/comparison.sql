-- The speed that `dare run` measured against autoregressive decoding; no row where it didn't.
SELECT (content ->> '$.lastRun.comparison.speedup')::DOUBLE AS speedup,
  (content ->> '$.lastRun.comparison.prompts')::INTEGER AS prompts,
  (content ->> '$.lastRun.comparison.tokensPerSecond')::DOUBLE AS tokens_per_second,
  (content ->> '$.lastRun.comparison.autoregressiveTokensPerSecond')::DOUBLE AS autoregressive_tokens_per_second
FROM manifests
WHERE stage = 'decode' AND (content ->> '$.lastRun.comparison.speedup') IS NOT NULL
  -- where nothing was drafted, two runs of the same work would be compared
  AND (content ->> '$.lastRun.comparison.drafted') IS DISTINCT FROM 'false';
