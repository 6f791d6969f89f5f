-- Recorded texts with the prompts they answer: a file for dare simulate.
copy (
  select prompts.* exclude (text), recorded.* exclude (prompt_id)
  from (
    select unnest(rows, recursive := true)
    from (
      select unnest(
        from_json(
          $rows::json,
          '[{
            "prompt_id": "varchar", "text": "varchar", "finish_reason": "varchar", "output_token_ids": ["integer"],
            "second_ids": ["integer"], "second_costs": ["float"]
          }]'
        )
      ) as rows
    )
  ) recorded
  join (select null as text, * from read_parquet($prompts)) prompts on prompts.prompt_id::varchar = recorded.prompt_id
  order by recorded.prompt_id
) to $out (format parquet, compression zstd);
