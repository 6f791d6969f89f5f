-- The texts that took the most decode steps: a text has no clock of its own among those decoded with it.
SELECT prompt_id, framework, texts.cohort, prompt_tokens, output_tokens, decode_steps,
  emitted_tokens / nullif(decode_steps, 0) AS tokens_per_step, finish_reason, prompts.prompt
FROM texts
LEFT JOIN prompts USING (prompt_id)
WHERE decode_steps IS NOT NULL
ORDER BY decode_steps DESC, prompt_id
LIMIT 10;
