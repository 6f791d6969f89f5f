/** One timed run, and medians over several. */
import type { DecodeWorker } from '../../src/decode/client.js';
import { median } from '../../src/decode/compare.js';
import type { DecodeRules } from '../../src/decode/sequence.js';
import { decodeTrial } from '../../src/decode/trial.js';
import type { PromptRow } from '../../src/lake/pages.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import type { Setting } from './contender.js';

/** Sums over decoded prompts; times in milliseconds. */
export interface Sums {
  /** From the first prompt's tokenisation to the last text. */
  wall: number;
  /** Time in which texts were being decoded, and its parts; null where a peer doesn't tell. */
  busy: number;
  prefill: number;
  steps: number | null;
  draft: number | null;
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
  /** Share of the decoding thread's time inside the model; null for a peer. */
  modelShare: number | null;
  draftMicrosPerToken: number | null;
}

export interface Run {
  sums: Sums;
  /** By prompt id. */
  texts: Map<string, string>;
}

/** Decodes the prompts once and times it. */
export async function runOnce(
  worker: DecodeWorker,
  tokenizer: TextModel,
  prompts: readonly PromptRow[],
  settings: DecodeRules,
): Promise<Run> {
  worker.use(settings);
  const { outcomes, wall, statistics } = await decodeTrial(worker, tokenizer, prompts);
  const texts = new Map(
    outcomes.map(({ outputIds }, i) => [prompts[i]?.promptId ?? '', tokenizer.decode(outputIds)]),
  );
  const decodeSteps = outcomes.reduce((sum, outcome) => sum + outcome.decodeSteps, 0);
  const { busy, prefill, steps, draft, tokens } = statistics;
  return { sums: { wall, busy, prefill, steps, draft, tokens, decodeSteps }, texts };
}

export function addSums(all: readonly Sums[]): Sums {
  const sum = (key: Exclude<keyof Sums, 'steps' | 'draft'>) =>
    all.reduce((total, sums) => total + sums[key], 0);
  const known = (key: 'steps' | 'draft') =>
    all.reduce<number | null>((total, { [key]: value }) => plus(total, value), 0);
  return {
    wall: sum('wall'),
    busy: sum('busy'),
    prefill: sum('prefill'),
    steps: known('steps'),
    draft: known('draft'),
    tokens: sum('tokens'),
    decodeSteps: sum('decodeSteps'),
  };
}

function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

export function figuresOf(sums: Sums): Figures {
  const { wall, busy, prefill, steps, draft, tokens, decodeSteps } = sums;
  return {
    tokensPerSecond: (tokens / (busy - prefill)) * 1000,
    endToEndTokensPerSecond: (tokens / wall) * 1000,
    tokensPerStep: tokens / decodeSteps,
    modelShare: steps === null ? null : (prefill + steps) / busy,
    draftMicrosPerToken: draft === null ? null : (draft / tokens) * 1000,
  };
}

/** The median of each figure by itself, rounded to what a reader can use. */
export function medianFigures(turns: readonly Sums[]): Figures {
  const all = turns.map(figuresOf);
  const middle = (values: readonly number[], digits: number) => Number(median(values).toFixed(digits));
  const known = (values: readonly (number | null)[], digits: number) => {
    const numbers = values.filter((value) => value !== null);
    return numbers.length < values.length ? null : middle(numbers, digits);
  };
  return {
    tokensPerSecond: middle(
      all.map((figures) => figures.tokensPerSecond),
      1,
    ),
    endToEndTokensPerSecond: middle(
      all.map((figures) => figures.endToEndTokensPerSecond),
      1,
    ),
    tokensPerStep: middle(
      all.map((figures) => figures.tokensPerStep),
      3,
    ),
    modelShare: known(
      all.map((figures) => figures.modelShare),
      4,
    ),
    draftMicrosPerToken: known(
      all.map((figures) => figures.draftMicrosPerToken),
      2,
    ),
  };
}

export interface Result extends Setting, Figures {
  mode: string;
  entity: string;
  /** What a replay says from the cost table; null for modes that aren't replayed, and for peers. */
  predictedTokensPerSecond: number | null;
}
