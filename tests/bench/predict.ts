/** The speed that replays of the same texts predict from the cost table, to be compared with the measured one. */
import { promptIds } from '../../src/decode/row.js';
import { Drafter } from '../../src/draft/drafter.js';
import { type CostTable, textMilliseconds } from '../../src/engine/cost-table.js';
import type { PromptRow } from '../../src/lake/pages.js';
import type { PoolKey } from '../../src/pool/builder.js';
import { type ReplayText, replay } from '../../src/simulate/replay.js';
import { predict } from '../../src/simulate/simulate.js';
import { openPools } from '../../src/simulate/sources.js';
import { WeighedDrafter } from '../../src/simulate/weighed.js';
import type { TextModel } from '../../src/text/tokenizer.js';

/** A prompt and what was decoded from it, as replays take it. */
export function replayText(tokenizer: TextModel, prompt: PromptRow, text: string): ReplayText {
  const { entityType, cohort, framework } = prompt;
  const answer = [...tokenizer.encodeText(text)];
  const answerIds = Int32Array.from([...answer, ...[...tokenizer.endTokens].slice(0, 1)]);
  return { entityType, cohort, framework, promptIds: promptIds(tokenizer, prompt), answerIds };
}

/** Tokens a second of so many texts together, prompts left out: without drafts, and greedily with them. */
export function predictSpeeds(
  texts: readonly ReplayText[],
  tokenizer: TextModel,
  pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
  table: CostTable,
  batch: number,
): { autoregressive: number; greedy: number } {
  const opened = openPools([...pools].map(([key, bytes]) => ({ key, bytes })));
  const source = new Drafter(tokenizer.vocabularySize, tokenizer.endTokens);
  const drafter = new WeighedDrafter(source, opened, { table, batch }, (table.rows.at(-1) as number) - 1);
  // once unmeasured, so that what is timed is compiled
  replay(texts, drafter, { nodes: 0 });
  const { millisecondsPerToken } = predict(replay(texts, drafter, { nodes: 0 }), { table, batch });
  return {
    autoregressive: 1000 / textMilliseconds(table, batch, 1),
    greedy: 1000 / (millisecondsPerToken ?? Number.NaN),
  };
}
