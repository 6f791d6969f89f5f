-- Items of the planted tastes: their genre is their taste.
copy (
  select i as item_id, 'genre ' || (i % 24) as genre, 'item ' || i as title
  from range($items::bigint) t (i)
) to $items_file (format parquet);
