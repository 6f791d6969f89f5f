SET VARIABLE evaluation_path = $path;

CREATE OR REPLACE VIEW evaluation AS
SELECT setting, entity_type, framework, texts, tokens_per_step, same_texts, rouge_l, divergence_mean, divergence_max,
  perplexity, vector_distance, entity_distance, auc, log_loss, auc_difference, auc_low, auc_high, verdict
FROM read_parquet(getvariable('evaluation_path'), hive_partitioning = false);
