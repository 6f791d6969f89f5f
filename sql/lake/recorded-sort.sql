-- Recorded texts, written to one file: at most $most of them, in an order that their content alone decides, so that
-- few of them are a sample of many. The empty first part gives the columns that the files lack, as nulls. Rows without
-- a text, or with an error, are left out. A text's own prompt goes before that of the file of prompts.
copy (
  with texts as (
    select
      null::bigint as file_row_number,
      null::varchar as filename,
      null::varchar as prompt_id,
      null::varchar as entity_type,
      null::varchar as entity_id,
      null::varchar as framework,
      null::varchar as cohort,
      null::varchar as text,
      null::varchar as prompt,
      null::struct(role varchar, content varchar)[] as messages,
      null::varchar as finish_reason,
      null::integer[] as output_token_ids,
      null::integer[] as second_ids,
      null::float[] as second_costs,
      null::varchar as error
    where false
    union all by name
    select * from read_parquet($files, union_by_name = true, filename = true, file_row_number = true)
  )
  select
    texts.prompt_id::varchar as prompt_id,
    entity_type::varchar as entity_type,
    entity_id::varchar as entity_id,
    framework::varchar as framework,
    cohort::varchar as cohort,
    text,
    coalesce(texts.prompt, asked.prompt) as prompt,
    coalesce(
      list_transform(texts.messages, lambda message: {role: message.role, content: message.content}),
      case when texts.prompt is null then asked.messages end
    ) as messages,
    finish_reason::varchar as finish_reason,
    output_token_ids::integer[] as output_token_ids,
    second_ids::integer[] as second_ids,
    second_costs::float[] as second_costs
  from texts
  left join asked on asked.prompt_id = texts.prompt_id::varchar
  where text is not null and text <> '' and error is null
  order by md5(concat_ws(' ', texts.prompt_id::varchar, text)), filename, file_row_number
  limit $most
) to $sorted (format parquet, compression snappy);
