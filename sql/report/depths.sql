-- Of the steps whose draft reached a depth, how many accepted a token there. The last of the 32 depths holds deeper ones.
SELECT depth, drafted, accepted, accepted / drafted AS share
FROM (
  SELECT unnest(range(1, 1 + len(drafted)))::INTEGER AS depth, unnest(drafted) AS drafted, unnest(accepted) AS accepted
  FROM (
    SELECT (content -> '$.statistics.byDepth.drafted')::DOUBLE[] AS drafted,
      (content -> '$.statistics.byDepth.accepted')::DOUBLE[] AS accepted
    FROM manifests
    WHERE stage = 'decode'
  )
)
WHERE drafted > 0
ORDER BY depth;
