-- Shares of texts that are no use, each with the first prompt in order as an example. A text can count several times.
-- The macros are those of faults.sql.
CREATE TABLE judged AS
WITH split AS (
  SELECT prompt_id, framework, text, finish_reason,
    error IS NOT NULL OR text IS NULL AS failed,
    words_of(text) AS words
  FROM texts
)
SELECT prompt_id, failed,
  CASE WHEN NOT failed THEN NOT regexp_matches(text, '\S') END AS empty,
  CASE WHEN NOT failed THEN coalesce(finish_reason IN ('length', 'context'), false) END AS cut,
  CASE WHEN NOT failed THEN is_repetitive(words) END AS repetitive,
  CASE WHEN NOT failed AND framework = 'rlmrec' THEN is_unparsable(text) END AS unparsable
FROM split;

SELECT fault, count(bad)::INTEGER AS texts, (count(*) FILTER (bad))::INTEGER AS bad,
  min(prompt_id) FILTER (bad) AS example
FROM (
  SELECT prompt_id, unnest([
    {fault: 'empty', bad: empty},
    {fault: 'cut', bad: cut},
    {fault: 'repetitive', bad: repetitive},
    {fault: 'unparsable', bad: unparsable},
    {fault: 'failed', bad: failed}
  ], recursive := true)
  FROM judged
)
GROUP BY fault;
