/** What a replay predicts against what decoding with the model gives, on prompts whose texts aren't in the pools. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeLoop } from '../../src/decode/loop.js';
import type { DecodeSettings, Outcome } from '../../src/decode/sequence.js';
import { Drafter } from '../../src/draft/drafter.js';
import { OwnDrafting } from '../../src/draft/drafting.js';
import { openEngine } from '../../src/engine/open.js';
import type { RecordedText } from '../../src/lake/recorded-texts.js';
import { poolKey, sharedKey } from '../../src/pool/builder.js';
import { type ReplayCounts, replay } from '../../src/simulate/replay.js';
import { openPools, SourceDrafter } from '../../src/simulate/sources.js';
import { toReplayText } from '../../src/simulate/texts.js';
import {
  cohortOf,
  endToken,
  greedy,
  modelFolder,
  poolsWithout,
  type Reference,
  references,
  requestOf,
  tokenizer,
} from '../decode/fixture.js';
import { cache } from '../model-cache.js';
import { record } from './record.js';

const { engine } = await openEngine({
  model: modelFolder,
  cache,
  slots: 8,
  threads: 2,
  device: 'cpu',
});
test.after(async () => {
  await engine.close();
});

const held = references.filter((_, place) => place % 2 === 0);
const pools = openPools(
  [...poolsWithout((place) => place % 2 === 0)].map(([key, bytes]) => ({ key, bytes })),
);

async function decode(settings: DecodeSettings): Promise<Outcome[]> {
  const loop = new DecodeLoop(
    engine,
    settings,
    new OwnDrafting(tokenizer.vocabularySize, new Set([endToken])),
    new Set([endToken]),
  );
  const shared = pools.get(sharedKey);
  return await Promise.all(
    held.map(({ prompt_ids, id }) => {
      const cohort = pools.get(poolKey('any', cohortOf(id)));
      assert.ok(shared !== undefined && cohort !== undefined);
      return loop.decode(requestOf(prompt_ids, id), { cohort, shared });
    }),
  );
}

async function recordedTexts(): Promise<RecordedText[]> {
  const { maxNewTokens, minProb } = greedy;
  const prompts = held.map(({ prompt_ids }) => Int32Array.from(prompt_ids));
  const recordings = await record(engine, prompts, { maxNewTokens, minProb, endTokens: tokenizer.endTokens });
  return recordings.map(({ ids, ...recording }, i): RecordedText => {
    const { id, prompt } = held[i] as Reference;
    const known = { promptId: id, entityType: 'any', entityId: null, framework: null, cohort: cohortOf(id) };
    return { ...known, prompt, messages: null, text: tokenizer.decode(ids), tokenIds: ids, ...recording };
  });
}

function predicted(texts: RecordedText[], divergenceBudget: number): ReplayCounts {
  const drafter = new Drafter(tokenizer.vocabularySize, tokenizer.endTokens);
  const { nodes, minPathProbability = 0, maxNewTokens } = greedy;
  const rule = { nodes, minPathProbability, maxNewTokens, divergenceBudget };
  const replayed = texts.map((text) => toReplayText(text, tokenizer, 'the record'));
  return replay(replayed, new SourceDrafter(drafter, pools, 'mixed'), rule);
}

function rate(outcomes: readonly Outcome[]): number {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + of(one), 0);
  return sum(({ emittedTokens }) => emittedTokens) / sum(({ decodeSteps }) => decodeSteps);
}

test('tokens a step as predicted from recorded texts are those of decoding', async () => {
  const recorded = await recordedTexts();

  const strict = await decode(greedy);
  const exact = predicted(recorded, 0);
  assert.is(
    exact.steps,
    strict.reduce((steps, { decodeSteps }) => steps + decodeSteps, 0),
    'from the tokens: step by step',
  );
  assert.is(
    exact.drafted,
    strict.reduce((nodes, { draftedTokens }) => nodes + draftedTokens, 0),
  );
  // another tokenisation of the same text is all that may differ
  const bare = recorded.map((text) => ({ ...text, tokenIds: null, secondIds: null, secondCosts: null }));
  near(predicted(bare, 0).tokensPerStep as number, rate(strict), 0.05);

  const budget = greedy.divergenceBudget;
  const relaxed = predicted(recorded, budget);
  const real = await decode({ ...greedy, mode: 'relaxed' });
  assert.ok(relaxed.relaxed > 0 && rate(real) > rate(strict));
  near(relaxed.tokensPerStep as number, rate(real), 0.05);
});

function near(value: number, expected: number, share: number): void {
  assert.ok(Math.abs(value / expected - 1) < share, `${value} predicted, ${expected} decoded`);
}

test.run();
