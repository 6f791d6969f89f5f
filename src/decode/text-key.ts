import { createHash } from 'node:crypto';
import type { PromptRow } from '../lake/pages.js';
import type { DecodeRules } from './sequence.js';

/** What decides the texts of a run, apart from the prompts and from what they are drafted from. */
export interface TextSettings {
  /** sha256 over the model's files. */
  model: string;
  /** The weight type that is computed with, never `auto`. */
  weights: string;
  /** `TextModel.fingerprint`: tokenizer, chat template and end tokens. */
  tokenizer: string;
  rules: DecodeRules;
  /** Mode sample: `decode.sampling.seed`. */
  seed: number;
  /**
   * Version of the pools that texts are drafted from (null: none), where relaxed texts of other drafts count as others
   * (`decode.reuse: strict`).
   */
  pools?: string | null;
  /** `costsKey` of the cost table that drafts are weighed by, where texts depend on it; counts together with `pools`. */
  costs?: string | undefined;
}

/**
 * The keys of `decode` that decide a text in its mode, and none that don't: `autoregressive` and `greedy` write the same
 * texts and share theirs, the bounds of mode relaxed count there alone. Concurrency, device, pools and costs are no part of
 * it: the first two move near ties at most, and the cost table of relaxed texts; what decides the drafts of these counts in
 * `settingsKey` on request.
 */
export function decisiveSettings(rules: DecodeRules, seed: number): Record<string, unknown> {
  const { mode, maxNewTokens, stop, repetitionPenalty, sampling } = rules;
  const settings = { maxNewTokens, stop, repetitionPenalty };
  if (mode === 'sample') return { mode, ...settings, sampling: { ...sampling, seed } };
  if (mode !== 'relaxed') return { mode: 'greedy', ...settings };
  const { topK, minProb, divergenceBudget, minGain, nodes, minPathProbability } = rules;
  return { mode, ...settings, topK, minProb, divergenceBudget, minGain, nodes, minPathProbability };
}

/** sha256 (hex) over the model and the settings that decide a text. */
export function settingsKey({ model, weights, tokenizer, rules, seed, pools, costs }: TextSettings): string {
  const drafts = rules.mode === 'relaxed' && pools !== undefined ? [pools, costs ?? null] : [];
  return hashOf([model, weights, tokenizer, decisiveSettings(rules, seed), ...drafts]);
}

/**
 * sha256 (hex) of what decides the text of one prompt: its own content and the settings; in mode sample its id too,
 * which decides what is drawn. Rows that describe a prompt (entity, cohort) don't count.
 * @param settings `settingsKey` of the run
 */
export function textKey(prompt: PromptRow, mode: DecodeRules['mode'], settings: string): string {
  const content = prompt.messages?.map(({ role, content }) => [role, content]) ?? prompt.prompt;
  return hashOf([settings, mode === 'sample' ? prompt.promptId : null, content]);
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
