-- The texts of a list of Parquet files in the order in which pools are built, written to one file.
-- Rows without a text, or with an error, are left out. The order doesn't depend on threads: ties are broken by the
-- file and the row. The empty first part gives the columns that the files lack, as nulls.
copy (
  with texts as (
    select
      null::bigint as file_row_number,
      null::varchar as filename,
      null::varchar as entity_type,
      null::varchar as entity_id,
      null::varchar as cohort,
      null::varchar as prompt_id,
      null::varchar as text,
      null::varchar as error
    where false
    union all by name
    select *
    from read_parquet(
      $files, union_by_name = true, filename = true, file_row_number = true, hive_partitioning = false
    )
  )
  select
    text,
    entity_type::varchar as entity_type,
    entity_id::varchar as entity_id,
    cohort::varchar as cohort,
    prompt_id::varchar as prompt_id
  from texts
  where text is not null and text <> '' and error is null
  order by texts.entity_type nulls first, texts.cohort nulls first, texts.prompt_id nulls first, filename, file_row_number
) to $sorted (format parquet, compression snappy);
