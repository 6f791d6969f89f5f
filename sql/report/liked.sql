-- What the users of each cohort rated well, and how often.
CREATE TEMP TABLE liked AS
SELECT cohort, item_id, count(*) AS n
FROM ratings
JOIN cohorts ON entity_type = 'user' AND entity_id = user_id
WHERE rating >= $liked_from
GROUP BY cohort, item_id;
