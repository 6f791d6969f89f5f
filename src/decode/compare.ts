import type { CostTable } from '../engine/cost-table.js';
import type { PromptRow } from '../lake/pages.js';
import { poolKey } from '../pool/builder.js';
import type { TextModel } from '../text/tokenizer.js';
import type { DecodeWorker } from './client.js';
import { streamKey } from './random.js';
import { promptIds } from './row.js';
import type { DecodeRules } from './sequence.js';

/** Decoding speed with and without drafts, on the same prompts, engine and concurrency. */
export interface Comparison {
  prompts: number;
  /** Tokens per second of decoding time, prompts' processing left out. */
  tokensPerSecond: number;
  autoregressiveTokensPerSecond: number;
  speedup: number;
  /** Whether anything was drafted: else both ways are the same, and two runs of the same differ by chance. */
  drafted: boolean;
}

/** How drafted texts are decoded. */
export interface ComparedRules {
  rules: DecodeRules;
  /** Mode sample. */
  seed: number;
  /** What drafts are weighed by; this machine's if left out. */
  costs?: CostTable | undefined;
}

const turns = 3;

/**
 * Decodes a sample of prompts in turns, as configured and without drafts, and compares the medians of the speeds.
 * The pools in use stay; nothing may be in flight. Undefined for an empty sample.
 */
export async function compareSpeed(
  worker: DecodeWorker,
  tokenizer: TextModel,
  sample: readonly PromptRow[],
  { rules, seed, costs }: ComparedRules,
): Promise<Comparison | undefined> {
  const requests = sample
    .map((prompt) => ({
      promptIds: promptIds(tokenizer, prompt),
      stream: streamKey(seed, prompt.promptId),
      key: poolKey(prompt.entityType, prompt.cohort),
    }))
    .filter(({ promptIds: ids }) => ids.length > 0 && ids.length < worker.context);
  if (requests.length === 0) return undefined;
  let drafted = false;
  const speeds = { drafted: [] as number[], plain: [] as number[] };
  for (let turn = 0; turn < turns; turn++) {
    for (const kind of ['plain', 'drafted'] as const) {
      worker.use(kind === 'plain' ? withoutDrafts(rules) : rules, costs);
      await Promise.all(requests.map(({ key, ...request }) => worker.decode(request, key)));
      const { busy, prefill, tokens, draftRows } = await worker.statistics();
      drafted ||= draftRows > 0;
      speeds[kind].push((tokens / (busy - prefill)) * 1000);
    }
  }
  const tokensPerSecond = median(speeds.drafted);
  const autoregressiveTokensPerSecond = median(speeds.plain);
  const speedup = drafted ? tokensPerSecond / autoregressiveTokensPerSecond : 1;
  return { prompts: requests.length, tokensPerSecond, autoregressiveTokensPerSecond, speedup, drafted };
}

/** One token a step, by the same rule: drawn in mode sample, else the argmax. */
export function withoutDrafts(settings: DecodeRules): DecodeRules {
  return settings.mode === 'sample' ? { ...settings, nodes: 0 } : { ...settings, mode: 'autoregressive' };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
