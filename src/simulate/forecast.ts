import { type CostTable, stepMilliseconds, textMilliseconds } from '../engine/cost-table.js';
import type { PromptGroup, SampledPrompt } from '../lake/prompt-sample.js';
import type { ModelMemory } from '../model/inspect.js';
import type { TextModel } from '../text/tokenizer.js';
import type { SimulationRow } from './simulate.js';

/** What prompts of one kind are like, by a sample of them. */
export interface PromptLengths {
  /** Tokens, a mean. */
  mean: number;
  longest: number;
  /** Tokens with which all of them begin: an engine computes these once. */
  common: number;
}

/** What texts of one kind are like, by recorded ones: what a simulation says, or else what plain decoding does. */
export interface TextFigures {
  /** Tokens of a text, a mean; its end counts. */
  outputTokens: number;
  tokensPerStep: number;
  /** Of a token of one text; null without a cost table. */
  millisecondsPerToken: number | null;
}

/** The forecast of one kind of prompts. */
export interface Forecast {
  entity: string | null;
  framework: string | null;
  prompts: number;
  /** Of them those whose texts are taken over from earlier tables. */
  reused: number;
  /** Sums over the prompts that are decoded; null where no prompt is known. */
  promptTokens: number | null;
  outputTokens: number;
  /** Null where nothing is left to decode. */
  tokensPerStep: number | null;
  /** Taking in prompts, and decoding; null without a cost table. */
  promptHours: number | null;
  decodeHours: number | null;
  /** Decoding without drafts. */
  plainHours: number | null;
}

/** The machine that a forecast is for. */
export interface Machine {
  costs: CostTable | undefined;
  /** Texts decoded together. */
  batch: number;
}

const millisecondsPerHour = 3_600_000;

/** Lengths of the sampled prompts of a kind; undefined where there are none. */
export function promptLengths(
  { entityType, framework }: PromptGroup,
  sample: readonly SampledPrompt[],
  tokenizer: TextModel,
): PromptLengths | undefined {
  const ids = sample
    .filter((prompt) => prompt.entityType === entityType && prompt.framework === framework)
    .map(({ messages }) => tokenizer.encodeChat(messages));
  const [first] = ids;
  if (first === undefined) return undefined;
  const lengths = ids.map(({ length }) => length);
  let common = Math.min(...lengths) - 1;
  for (const other of ids) {
    const differs = first.findIndex((id, i) => i < common && other[i] !== id);
    if (differs !== -1) common = Math.min(common, differs);
  }
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return { mean, longest: Math.max(...lengths), common: ids.length > 1 ? common : 0 };
}

/** Prompts of one kind. */
type Kind = Pick<PromptGroup, 'entityType' | 'framework'>;

/**
 * What a simulation's lines, all of them of one source and budget, say of texts of a kind. Where none are of it, those of
 * its entity type are the best that is known, and then all; `hasOwn` tells.
 */
export function figuresOf(rows: readonly SimulationRow[], kind: Kind): TextFigures | undefined {
  const ofType = rows.filter(({ entity }) => entity === kind.entityType);
  const own = ofType.filter(({ framework }) => framework === kind.framework);
  const counted = [own, ofType, rows].find(({ length }) => length > 0) ?? [];
  const sum = (of: (row: SimulationRow) => number) => counted.reduce((total, row) => total + of(row), 0);
  const [texts, tokens, steps] = [sum((row) => row.texts), sum((row) => row.tokens), sum((row) => row.steps)];
  if (tokens === 0) return undefined;
  const timed = counted.every(({ millisecondsPerToken }) => millisecondsPerToken !== null);
  const time = sum((row) => (row.millisecondsPerToken ?? 0) * row.tokens);
  return {
    outputTokens: tokens / texts,
    tokensPerStep: tokens / steps,
    millisecondsPerToken: timed ? time / tokens : null,
  };
}

/** Whether lines of a simulation are of texts of this kind. */
export function hasOwn(rows: readonly SimulationRow[], { entityType, framework }: Kind): boolean {
  return rows.some((row) => row.entity === entityType && row.framework === framework);
}

/**
 * What decoding prompts of one kind takes, those left out whose texts are taken over. A prompt costs what a step of one text with as many rows as the prompt has
 * tokens beyond the common ones would: the cost table is prolonged, so this is rough.
 */
export function forecast(
  { entityType, framework, prompts, reused }: PromptGroup & { reused: number },
  lengths: PromptLengths | undefined,
  { outputTokens, tokensPerStep, millisecondsPerToken }: TextFigures,
  { costs, batch }: Machine,
): Forecast {
  const decoded = prompts - reused;
  const hours = (milliseconds: number) => (decoded * milliseconds) / millisecondsPerHour;
  const plain = costs === undefined ? null : textMilliseconds(costs, batch, 1);
  const rows = lengths === undefined ? undefined : Math.max(1, lengths.mean - lengths.common);
  return {
    entity: entityType,
    framework,
    prompts,
    reused,
    promptTokens: lengths === undefined ? null : Math.round(decoded * lengths.mean),
    outputTokens: Math.round(decoded * outputTokens),
    tokensPerStep,
    promptHours: costs === undefined || rows === undefined ? null : hours(stepMilliseconds(costs, 1, rows)),
    decodeHours: millisecondsPerToken === null ? null : hours(outputTokens * millisecondsPerToken),
    plainHours: plain === null ? null : hours(outputTokens * plain),
  };
}

/** All kinds together. */
export function sumOf(forecasts: readonly Forecast[]): Forecast {
  /** Null where any is. */
  const sum = (of: (forecast: Forecast) => number | null) =>
    forecasts.reduce<number | null>((total, one) => {
      const value = of(one);
      return total === null || value === null ? null : total + value;
    }, 0);
  const outputTokens = sum((one) => one.outputTokens) ?? 0;
  const steps = sum((one) => one.outputTokens / (one.tokensPerStep ?? 1)) ?? 0;
  return {
    entity: null,
    framework: null,
    prompts: sum(({ prompts }) => prompts) ?? 0,
    reused: sum(({ reused }) => reused) ?? 0,
    promptTokens: sum(({ promptTokens }) => promptTokens),
    outputTokens,
    tokensPerStep: steps === 0 ? null : outputTokens / steps,
    promptHours: sum(({ promptHours }) => promptHours),
    decodeHours: sum(({ decodeHours }) => decodeHours),
    plainHours: sum(({ plainHours }) => plainHours),
  };
}

/** Bytes of one number of the weights, by their type; those that are stored in blocks have scales beside them. */
const weightBytes = { auto: 4, float32: 4, float16: 2, int8: 1.125, int4: 0.625 } as const;
export type PlannedWeights = keyof typeof weightBytes;

/** Memory in bytes that decoding takes. */
export interface MemoryForecast {
  weights: number;
  /** Keys and values of one text with its prompt, and of all texts that are decoded together. */
  perSequence: number;
  sequences: number;
}

/**
 * @param tokens of the longest prompt and the longest text together
 * @param weights how they are kept; keys and values are float16 with float16 weights, else float32
 */
export function memoryForecast(
  memory: ModelMemory,
  tokens: number,
  batch: number,
  weights: PlannedWeights,
): MemoryForecast {
  const share = weights === 'float16' ? 0.5 : 1;
  const perSequence = Math.ceil(memory.kvPerToken * share * tokens);
  return {
    weights: Math.ceil((memory.weights / weightBytes.float32) * weightBytes[weights]),
    perSequence,
    sequences: batch * perSequence,
  };
}
