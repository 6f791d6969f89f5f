/** Whoever decodes in the benchmark: our modes, and peers. */
import type { Mode } from '../../src/config/schema.js';
import type { DecodeWorker } from '../../src/decode/client.js';
import { promptIds } from '../../src/decode/row.js';
import type { DecodeRules } from '../../src/decode/sequence.js';
import type { PromptRow } from '../../src/lake/pages.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { type Run, runOnce } from './measure.js';
import type { Peer } from './peers/peer.js';

/** How a contender decodes. */
export interface Setting {
  /** Texts decoded together. */
  concurrency: number;
  /** A peer's drafts from the prompt. */
  lookup?: true;
}

export interface Contender {
  /** One of our modes, or a peer's name. */
  mode: string;
  /** What its fastest setting is looked for among, in the order of trials; some have a concurrency of 1. */
  settings: Setting[];
  /** All prompts once; undefined where the device has no memory for so many at once. */
  run(prompts: readonly PromptRow[], setting: Setting): Promise<Run | undefined>;
}

/** One of our modes on workers of several concurrencies. */
export function ownMode(
  mode: Mode,
  workers: ReadonlyMap<number, DecodeWorker>,
  tokenizer: TextModel,
  settings: DecodeRules,
): Contender {
  return {
    mode,
    settings: [...workers.keys()].map((concurrency) => ({ concurrency })),
    run: (prompts, { concurrency }) => {
      const worker = workers.get(concurrency) as DecodeWorker;
      return runOnce(worker, tokenizer, prompts, { ...settings, mode });
    },
  };
}

/** A peer on the same token ids, with the same end tokens and longest text. */
export function peerMode(
  peer: Peer,
  settings: Setting[],
  tokenizer: TextModel,
  { maxNewTokens }: DecodeRules,
): Contender {
  const endTokens = [...tokenizer.endTokens];
  return {
    mode: peer.name,
    settings,
    run: async (rows, { concurrency, lookup = false }) => {
      const prompts = rows.map((row) => [...promptIds(tokenizer, row)]);
      const setting = { concurrency, lookup };
      const answer = await peer.run({ setting, prompts, endTokens, maxNewTokens });
      if (answer === undefined) return undefined;
      const { outputs, wall, prefill, decodeSteps } = answer;
      const tokens = outputs.reduce((sum, output) => sum + output.length, 0);
      const texts = new Map(rows.map(({ promptId }, i) => [promptId, tokenizer.decode(outputs[i] ?? [])]));
      return { sums: { wall, busy: wall, prefill, steps: null, draft: null, tokens, decodeSteps }, texts };
    },
  };
}

export function describe({ concurrency, lookup }: Setting): string {
  return `${concurrency}${lookup === true ? ' with lookup' : ''}`;
}
