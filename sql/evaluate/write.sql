-- The rows of an evaluation from a JSON text, with the names and types of the table: of texts, and of click models.
copy (
  select
    setting,
    mode,
    topK as top_k,
    minProb as min_prob,
    divergenceBudget as divergence_budget,
    minGain as min_gain,
    nodes,
    entityType as entity_type,
    framework,
    texts,
    sameTexts as same_texts,
    sameTokens as same_tokens,
    rougeL as rouge_l,
    distinct1 as distinct_1,
    distinct2 as distinct_2,
    repetitive,
    jsonValid as json_valid,
    ended,
    cutByLength as cut_by_length,
    cutByContext as cut_by_context,
    outputTokens as output_tokens,
    relaxedTokens as relaxed_tokens,
    divergenceMean as divergence_mean,
    divergenceMax as divergence_max,
    divergencePerToken as divergence_per_token,
    logProbability as log_probability,
    perplexity,
    tokensPerStep as tokens_per_step,
    rowsPerStep as rows_per_step,
    vectorDistance as vector_distance,
    entityDistance as entity_distance,
    auc,
    logLoss as log_loss,
    aucDifference as auc_difference,
    aucLow as auc_low,
    aucHigh as auc_high,
    verdict,
    $partition::varchar as partition
  from (
    select unnest(rows, recursive := true)
    from (
      select unnest(
        from_json(
          $rows::json,
          '[{
            "setting": "varchar", "mode": "varchar", "topK": "integer", "minProb": "double",
            "divergenceBudget": "double", "minGain": "double", "nodes": "integer", "entityType": "varchar", "framework": "varchar",
            "texts": "integer", "sameTexts": "double", "sameTokens": "double", "rougeL": "double",
            "distinct1": "double", "distinct2": "double", "repetitive": "double", "jsonValid": "double",
            "ended": "double", "cutByLength": "double", "cutByContext": "double", "outputTokens": "double",
            "relaxedTokens": "double", "divergenceMean": "double", "divergenceMax": "double",
            "divergencePerToken": "double", "logProbability": "double", "perplexity": "double",
            "tokensPerStep": "double", "rowsPerStep": "double", "vectorDistance": "double", "entityDistance": "double",
            "auc": "double", "logLoss": "double", "aucDifference": "double", "aucLow": "double", "aucHigh": "double",
            "verdict": "varchar"
          }]'
        )
      ) as rows
    )
  )
) to $path (format parquet);
