-- Texts by the nats they spent: one bin for those that spent nothing, 16 of equal width up to the most that a text spent.
WITH spent AS (
  SELECT divergence, max(divergence) OVER () / 16 AS width
  FROM texts
  WHERE error IS NULL AND divergence IS NOT NULL
),
binned AS (
  SELECT CASE WHEN divergence <= 0 THEN 0 ELSE least(16, greatest(1, ceil(divergence / width)))::INTEGER END AS bin,
    any_value(width) AS width,
    count(*)::INTEGER AS texts
  FROM spent
  GROUP BY bin
)
SELECT bin, CASE WHEN bin = 0 THEN 0 ELSE (bin - 1) * width END AS low, bin * width AS high, texts
FROM binned
ORDER BY bin;
