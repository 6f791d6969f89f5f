-- What each setting made of the texts and vectors of each entity type and framework, in the order of the evaluation.
SELECT setting, entity_type, framework, texts, tokens_per_step, same_texts, rouge_l, divergence_mean, divergence_max,
  perplexity, vector_distance, entity_distance
FROM evaluation
WHERE texts IS NOT NULL;
