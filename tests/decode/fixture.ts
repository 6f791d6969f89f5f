import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { streamKey } from '../../src/decode/random.js';
import type { DecodeSettings, SequenceRequest } from '../../src/decode/sequence.js';
import { calibrate } from '../../src/draft/calibrate.js';
import { packageRoot } from '../../src/paths.js';
import { type BuiltPool, PoolBuilder } from '../../src/pool/builder.js';
import { TextModel } from '../../src/text/tokenizer.js';

export const modelFolder = join(packageRoot, 'data-samples', 'model');
export const tokenizer = TextModel.load(modelFolder);

/** A line of tests/golden/model-reference.jsonl: what Hugging Face transformers computes in float32. */
export interface Reference {
  id: string;
  prompt: string;
  prompt_ids: number[];
  /** With the end token. */
  output_ids: number[];
  /** Of all output tokens. */
  sum_logprob: number;
  min_margin: number;
  /** Token and log-probability. */
  first_step_top5: [number, number][];
}

export const references: Reference[] = readFileSync(
  join(packageRoot, 'tests/golden/model-reference.jsonl'),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Reference);

export const endToken = 2;

export const greedy: DecodeSettings = {
  mode: 'greedy',
  maxNewTokens: 256,
  topK: 2,
  minProb: 0.1,
  divergenceBudget: 4,
  minGain: 0,
  nodes: 16,
  minPathProbability: 0.05,
  reproducible: true,
  stop: [],
  repetitionPenalty: 1,
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0 },
};

/** A prompt to decode; `id` and `seed` name its random stream. */
export function requestOf(ids: Iterable<number>, id = '', seed = 0): SequenceRequest {
  return { promptIds: Int32Array.from(ids), stream: streamKey(seed, id) };
}

/**
 * Pools of the reference texts whose place isn't `left out`; cohort 'item' or 'user'.
 * @param learnt whether they know what chances are worth and what drafts are like, as those of runs do
 */
export function poolsWithout(
  leftOut: (place: number) => boolean,
  learnt = true,
): Map<string, SharedArrayBuffer> {
  const { fingerprint, generationPrompt } = tokenizer;
  const settings = { tokenizer: fingerprint, maxLength: 6, generationPrompt, endToken };
  const builder = new PoolBuilder(settings, learnt ? calibrate : undefined);
  references.forEach(({ id, output_ids: ids }, place) => {
    if (!leftOut(place)) builder.add('any', cohortOf(id), ids.slice(0, -1), true);
  });
  return new Map([...builder.build()].map(({ key, bytes }: BuiltPool) => [key, bytes]));
}

/** 'item' or 'user', from an id such as kar_item:262. */
export function cohortOf(id: string): string {
  return id.includes('_item') ? 'item' : 'user';
}
