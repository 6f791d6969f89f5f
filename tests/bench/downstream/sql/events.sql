-- MovieLens-100k's ratings in RecBole's atomic file ($interactions), each user's cut by time (ties by item). The earliest
-- 40% are the history, all that cohorts and prompts are made of: no text knows an event which the click model learns or
-- is tested on. Then 32% train, 8% valid (early stopping), and the last 20% test. Three items in ten, by a hash, are new to
-- the click model: their events are unseen instead of train. Of them it knows nothing but their texts.
copy (
  with rated as (
    select
      "user_id:token"::INTEGER as user_id,
      "item_id:token"::INTEGER as item_id,
      "rating:float"::DOUBLE as rating,
      to_timestamp("timestamp:float"::DOUBLE) as rated_at
    from read_csv($interactions, delim = '\t', header = true, quote = '', all_varchar = true)
  ),
  placed as (
    select
      *,
      md5_number_lower(item_id::VARCHAR) % 10 < 3 as new_item,
      (row_number() over (partition by user_id order by rated_at, item_id) - 1)
        / count(*) over (partition by user_id) as place
    from rated
    semi join read_parquet($movies) using (item_id)
  )
  select
    * exclude (place),
    case
      when place < 0.4 then 'history'
      when place < 0.72 then if(new_item, 'unseen', 'train')
      when place < 0.8 then 'valid'
      else 'test'
    end as part
  from placed
  order by user_id, rated_at, item_id
) to $out (format parquet);
