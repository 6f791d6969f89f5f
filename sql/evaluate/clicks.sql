-- Ratings as clicks: liked means a rating of at least $liked_from. Those that the user's prompt shows stay out, because
-- its text may tell them: the latest $liked and $disliked ones, as prompts/users.sql has them (items without a name take
-- no place there, so with such a rating or two that are shown stay in). Of more than $most those of described users and
-- items come first, then chance decides, always the same way.
with described as (
  select unnest($types) as entity_type, unnest($ids) as entity_id
),
opinions as (
  select user_id, item_id, rating >= $liked_from::double as liked, rating <= $disliked_to::double as disliked,
    row_number() over (
      partition by user_id, rating >= $liked_from::double, rating <= $disliked_to::double
      order by rated_at desc nulls last, item_id desc
    ) as age
  from ratings
)
select user_id, item_id, liked::utinyint as liked,
  (
    exists (from described where entity_type = 'user' and entity_id = user_id)
    or exists (from described where entity_type = 'item' and entity_id = item_id)
  )::utinyint as described
from opinions
where not (liked and age <= $liked) and not (disliked and age <= $disliked)
order by described desc, md5(user_id || chr(10) || item_id), user_id, item_id
limit $most;
