-- Shares of texts that are no use, each with the first prompt in order as an example. A text can count several times.
-- repetitive: at least 20 words, and fewer distinct runs of four words than half of all. Words are what white space
-- parts: a text in a script without spaces is one word, and never counts.
CREATE TABLE judged AS
WITH split AS (
  SELECT prompt_id, framework, text, finish_reason,
    error IS NOT NULL OR text IS NULL AS failed,
    regexp_extract_all(lower(text), '\S+') AS words
  FROM texts
)
SELECT prompt_id, failed,
  CASE WHEN NOT failed THEN NOT regexp_matches(text, '\S') END AS empty,
  CASE WHEN NOT failed THEN coalesce(finish_reason IN ('length', 'context'), false) END AS cut,
  CASE WHEN NOT failed THEN
    len(words) >= 20 AND 2 * len(list_distinct(list_transform(
      range(1, len(words) - 2), lambda i: hash(words[i], words[i + 1], words[i + 2], words[i + 3])
    ))) < len(words) - 3
  END AS repetitive,
  CASE WHEN NOT failed AND framework = 'rlmrec' THEN
    CASE WHEN json_valid(text) THEN NOT (json_exists(text, '$.summarization') AND json_exists(text, '$.reasoning'))
      ELSE true END
  END AS unparsable
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
