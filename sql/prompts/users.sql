-- Users in the order of their ids, each with history and cohort.
--
-- History: the latest $liked ratings of at least $liked_from and the latest $disliked of at most $disliked_to,
-- oldest first. Ties in time go by item id; ratings without a time count as the oldest. Items without an entry
-- (no title, say) take no place.
CREATE TABLE prompt_users AS
WITH opinions AS (
  SELECT user_id, item_id, rated_at, entry, rating >= $liked_from::DOUBLE AS is_liked
  FROM ratings
  JOIN history_entries USING (item_id)
  WHERE rating >= $liked_from::DOUBLE OR rating <= $disliked_to::DOUBLE
),
ranked AS (
  SELECT user_id, entry, is_liked,
    row_number() OVER (
      PARTITION BY user_id, is_liked
      ORDER BY rated_at DESC NULLS LAST, item_id DESC
    ) AS age
  FROM opinions
),
histories AS (
  SELECT user_id,
    string_agg(entry, '; ' ORDER BY age DESC) FILTER (is_liked AND age <= $liked) AS liked,
    string_agg(entry, '; ' ORDER BY age DESC) FILTER (NOT is_liked AND age <= $disliked) AS disliked
  FROM ranked
  GROUP BY user_id
)
SELECT users.* EXCLUDE (user_key), histories.liked, histories.disliked, entity_cohorts.cohort AS _cohort
FROM users
LEFT JOIN histories ON histories.user_id = users.user_id
LEFT JOIN entity_cohorts
  ON entity_cohorts.entity_type = 'user' AND entity_cohorts.entity_id = users.user_id
ORDER BY users.user_id;
