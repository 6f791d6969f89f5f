/** One timed run, and medians over several. */
import pLimit from 'p-limit';
import type { Mode } from '../../src/config/schema.js';
import type { DecodeWorker } from '../../src/decode/client.js';
import { median } from '../../src/decode/compare.js';
import { streamKey } from '../../src/decode/random.js';
import { promptIds } from '../../src/decode/row.js';
import type { DecodeSettings } from '../../src/decode/sequence.js';
import type { PromptRow } from '../../src/lake/pages.js';
import { poolKey } from '../../src/pool/builder.js';
import type { TextModel } from '../../src/text/tokenizer.js';

/** Sums over decoded prompts; times in milliseconds. */
export interface Sums {
  /** From the first prompt's tokenisation to the last text. */
  wall: number;
  /** Time in the decoding thread in which texts were being decoded, and its parts. */
  busy: number;
  prefill: number;
  steps: number;
  draft: number;
  /** Emitted, end tokens included. */
  tokens: number;
  /** Steps of a text, summed over the texts. */
  decodeSteps: number;
}

/** The figures of one mode, entity and concurrency. */
export interface Figures {
  /** Of decoding time, prompts' processing left out. */
  tokensPerSecond: number;
  /** Of the whole time, tokenisation and prompts' processing included. */
  endToEndTokensPerSecond: number;
  tokensPerStep: number;
  /** Share of the decoding thread's time inside the model. */
  modelShare: number;
  draftMicrosPerToken: number;
}

export interface Run {
  sums: Sums;
  /** By prompt id. */
  texts: Map<string, string>;
}

/** Decodes the prompts once and times it; a worker with `concurrency` slots. */
export async function runOnce(
  worker: DecodeWorker,
  concurrency: number,
  tokenizer: TextModel,
  prompts: readonly PromptRow[],
  settings: DecodeSettings,
): Promise<Run> {
  worker.use(settings);
  // as the decode stage: a prompt is waiting whenever a slot becomes free
  const limit = pLimit(concurrency * 2);
  const texts = new Map<string, string>();
  let decodeSteps = 0;
  const started = performance.now();
  await limit.map(prompts, async (prompt) => {
    const ids = promptIds(tokenizer, prompt);
    const stream = streamKey(0, prompt.promptId);
    const outcome = await worker.decode(
      { promptIds: ids, stream },
      poolKey(prompt.entityType, prompt.cohort),
    );
    texts.set(prompt.promptId, tokenizer.decode(outcome.outputIds));
    decodeSteps += outcome.decodeSteps;
  });
  const wall = performance.now() - started;
  const { busy, prefill, steps, draft, tokens } = await worker.statistics();
  return { sums: { wall, busy, prefill, steps, draft, tokens, decodeSteps }, texts };
}

export function addSums(all: readonly Sums[]): Sums {
  const total: Sums = { wall: 0, busy: 0, prefill: 0, steps: 0, draft: 0, tokens: 0, decodeSteps: 0 };
  for (const sums of all) {
    for (const key of Object.keys(total) as (keyof Sums)[]) total[key] += sums[key];
  }
  return total;
}

export function figuresOf(sums: Sums): Figures {
  const { wall, busy, prefill, steps, draft, tokens, decodeSteps } = sums;
  return {
    tokensPerSecond: (tokens / (busy - prefill)) * 1000,
    endToEndTokensPerSecond: (tokens / wall) * 1000,
    tokensPerStep: tokens / decodeSteps,
    modelShare: (prefill + steps) / busy,
    draftMicrosPerToken: (draft / tokens) * 1000,
  };
}

/** The median of each figure by itself, rounded to what a reader can use. */
export function medianFigures(turns: readonly Sums[]): Figures {
  const all = turns.map(figuresOf);
  const middle = (key: keyof Figures, digits: number) =>
    Number(median(all.map((figures) => figures[key])).toFixed(digits));
  return {
    tokensPerSecond: middle('tokensPerSecond', 1),
    endToEndTokensPerSecond: middle('endToEndTokensPerSecond', 1),
    tokensPerStep: middle('tokensPerStep', 3),
    modelShare: middle('modelShare', 4),
    draftMicrosPerToken: middle('draftMicrosPerToken', 2),
  };
}

export interface Result extends Figures {
  mode: Mode;
  entity: string;
  concurrency: number;
}
