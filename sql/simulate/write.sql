-- The results of a simulation, one row each, from a JSON text.
copy (
  select unnest(rows, recursive := true)
  from (
    select unnest(
      from_json(
        $rows::json,
        '[{
          "source": "varchar", "mode": "varchar", "entity": "varchar", "framework": "varchar", "cohort": "varchar",
          "nodes": "integer", "ngram": "integer", "poolTexts": "integer", "texts": "integer", "tokens": "bigint",
          "steps": "bigint", "tokensPerStep": "double", "draftedTokens": "bigint", "acceptedTokens": "bigint",
          "relaxedTokens": "bigint", "divergence": "double", "draftMicrosPerToken": "double",
          "draftMicros99": "double", "promptMicros": "double", "millisecondsPerToken": "double", "speedup": "double"
        }]'
      )
    ) as rows
  )
) to $path (format parquet);
