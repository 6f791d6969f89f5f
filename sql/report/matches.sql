-- Steps with a draft by the tokens of the longest context that the text's end had in a pool; the last of 0 to 16 holds longer ones.
SELECT match, steps, rows / steps AS rows_per_step, accepted / steps AS accepted_per_step, accepted / rows AS share
FROM (
  SELECT unnest(range(len(steps)))::INTEGER AS match, unnest(steps) AS steps, unnest(rows) AS rows,
    unnest(accepted) AS accepted
  FROM (
    SELECT (content -> '$.statistics.byMatch.steps')::DOUBLE[] AS steps,
      (content -> '$.statistics.byMatch.rows')::DOUBLE[] AS rows,
      (content -> '$.statistics.byMatch.accepted')::DOUBLE[] AS accepted
    FROM manifests
    WHERE stage = 'decode'
  )
)
WHERE steps > 0
ORDER BY match;
