-- The texts that spent the most.
SELECT prompt_id, framework, texts.cohort, output_tokens, relaxed_tokens, divergence, text, output_token_ids,
  relaxed_positions, prompts.prompt
FROM texts
LEFT JOIN prompts USING (prompt_id)
WHERE relaxed_tokens > 0 AND text IS NOT NULL
ORDER BY divergence DESC, prompt_id
LIMIT 5;
