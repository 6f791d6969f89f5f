SELECT quantile_cont(divergence, 0.5) AS median, quantile_cont(divergence, 0.9) AS p90, max(divergence) AS most,
  (count(*) FILTER (divergence > 0))::INTEGER AS texts,
  (SELECT (content ->> '$.run."decode.divergenceBudget"')::DOUBLE FROM manifests WHERE stage = 'decode') AS budget
FROM texts
WHERE error IS NULL AND text IS NOT NULL;
