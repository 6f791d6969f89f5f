-- The pairs of texts that the manifest of an evaluation keeps, in its order: those that spent the most first.
SELECT pair.promptId AS prompt_id, pair.framework AS framework, pair.setting AS setting,
  pair.autoregressive AS autoregressive, pair.relaxed AS relaxed, pair.relaxedTokens AS relaxed_tokens,
  pair.divergence AS divergence, pair.marks AS marks
FROM (
  SELECT unnest(from_json($content::JSON -> '$.pairs', '[{
    "promptId": "VARCHAR", "framework": "VARCHAR", "setting": "VARCHAR", "autoregressive": "VARCHAR",
    "relaxed": "VARCHAR", "relaxedTokens": "INTEGER", "divergence": "DOUBLE",
    "marks": [{"start": "INTEGER", "end": "INTEGER"}]
  }]')) AS pair
);
