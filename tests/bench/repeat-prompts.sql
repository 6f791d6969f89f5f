-- The first $rows of $prompts, repeated as often as it takes, each copy under an id of its own.
copy (
  select copies.n || ':' || prompts.prompt_id as prompt_id, prompts.* exclude (prompt_id)
  from read_parquet($prompts) prompts
  cross join range($rows) copies(n)
  where copies.n <= $rows / (select count(*) from read_parquet($prompts))
  order by copies.n, prompts.prompt_id
  limit $rows
) to $out (format parquet);
