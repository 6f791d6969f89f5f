-- What each click model came to, in the order of the evaluation. The reference has no difference to itself.
SELECT setting, auc, log_loss, verdict,
  CASE WHEN setting <> 'autoregressive' THEN auc_difference END AS auc_difference,
  CASE WHEN setting <> 'autoregressive' THEN auc_low END AS auc_low,
  CASE WHEN setting <> 'autoregressive' THEN auc_high END AS auc_high
FROM evaluation
WHERE texts IS NULL;
