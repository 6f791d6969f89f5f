-- MovieLens-100k's movies in RecBole's atomic file ($items). The data set has no directors and no sources.
copy (
  with movies as (
    select
      "item_id:token"::INTEGER as item_id,
      -- a title in another language, in parentheses, goes
      trim(regexp_replace("movie_title:token_seq", '\s*\(.*\)\s*$', '')) as title,
      try_cast("release_year:token" as INTEGER) as year,
      list_filter(string_split("class:token_seq", ' '), lambda name: name not in ('unknown', '')) as names
    from read_csv($items, delim = '\t', header = true, quote = '', all_varchar = true)
  )
  select
    item_id,
    -- "Usual Suspects, The" -> "The Usual Suspects"
    regexp_replace(title, '^(.+), (The|A|An|Les|Le|La|Das|Der|Die|Il|El)$', '\2 \1') as title,
    year,
    array_to_string(names, ', ') as genres,
    names[1] as genre
  from movies
  where title not in ('', 'unknown')
  order by item_id
) to $out (format parquet);
