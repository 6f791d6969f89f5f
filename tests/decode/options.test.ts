/** Decoding options on the sample model: sampling, repetition penalty and stop strings, with drafts and without. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeWorker } from '../../src/decode/client.js';
import type { DecodeSettings, Outcome } from '../../src/decode/sequence.js';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { packageRoot } from '../../src/paths.js';
import { poolKey } from '../../src/pool/builder.js';
import { cache } from '../model-cache.js';
import { penalised } from './distribution.js';
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
} from './fixture.js';

const workers = new Map<number, DecodeWorker>();
test.after(async () => {
  for (const worker of workers.values()) await worker.close();
});

// every fourth prompt is drafted from the texts of the others
const held = references.filter((_, place) => place % 4 === 0);
const pools = poolsWithout((place) => place % 4 === 0);
const sample: DecodeSettings = {
  ...greedy,
  mode: 'sample',
  maxNewTokens: 40,
  sampling: { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.02 },
};

const short: DecodeSettings = { ...greedy, maxNewTokens: 40 };

interface Way {
  slots?: number;
  prompts?: readonly Reference[];
  pooled?: boolean;
  seed?: number;
}

/** Texts in the order of `held`. */
async function decode(
  settings: DecodeSettings,
  { slots = 8, prompts = held, pooled = true, seed = 5 }: Way = {},
) {
  let worker = workers.get(slots);
  if (worker === undefined) {
    const { vocabularySize: vocabulary } = tokenizer;
    worker = await DecodeWorker.start({
      // at one text a time several threads would wait for each other busily
      engine: { model: modelFolder, cache, slots, threads: slots === 1 ? 1 : 2, device: 'cpu' },
      vocabulary,
      endTokens: [endToken],
    });
    workers.set(slots, worker);
  }
  const decoder = worker;
  decoder.use(settings);
  decoder.usePools(pooled ? pools : new Map());
  const found = new Map<string, Outcome>();
  await Promise.all(
    prompts.map(async ({ id, prompt_ids: ids }) => {
      found.set(id, await decoder.decode(requestOf(ids, id, seed), poolKey('any', cohortOf(id))));
    }),
  );
  return held.map(({ id }) => found.get(id) as Outcome);
}

const idsOf = ({ outputIds }: Outcome) => [...outputIds];

/** Texts without a decision that noise could have turned are the same. */
function sameTexts(found: readonly Outcome[], expected: readonly Outcome[], what: string): void {
  let compared = 0;
  found.forEach((outcome, i) => {
    const other = expected[i] as Outcome;
    if (outcome.nearTies > 0 || other.nearTies > 0) return;
    compared++;
    assert.equal(idsOf(outcome), idsOf(other), `${what}: ${(held[i] as Reference).id}`);
    assert.is(outcome.finishReason, other.finishReason);
  });
  assert.ok(compared > 0, `${what}: no text was without near ties`);
}

test('sampled texts do not depend on concurrency, order, node budget or pools; another seed draws others', async () => {
  const alone = await decode({ ...sample, nodes: 0 }, { slots: 1 });
  const ways: [string, DecodeSettings, Way][] = [
    ['one at a time with drafts', sample, { slots: 1 }],
    ['eight at a time', sample, { slots: 8 }],
    ['backwards, three nodes', { ...sample, nodes: 3 }, { prompts: [...held].reverse() }],
    ['wide trees', { ...sample, nodes: 40, minPathProbability: 0.01 }, {}],
    ['drafts from the own text alone', sample, { pooled: false }],
  ];
  for (const [name, settings, way] of ways) sameTexts(await decode(settings, way), alone, name);
  const drafted = await decode(sample);
  const steps = (outcomes: readonly Outcome[]) =>
    outcomes.reduce((sum, { decodeSteps }) => sum + decodeSteps, 0);
  assert.ok(steps(drafted) < 0.8 * steps(alone), `${steps(drafted)} steps against ${steps(alone)}`);
  const others = await decode(sample, { seed: 6 });
  assert.ok(
    others.filter((outcome, i) => `${idsOf(outcome)}` !== `${idsOf(alone[i] as Outcome)}`).length > 4,
  );
  for (const { divergence, relaxedTokens } of drafted) assert.equal([divergence, relaxedTokens], [0, 0]);
});

test('sampling with a tiny temperature, or from the likeliest token alone, is greedy', async () => {
  const expected = await decode(short);
  const off = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  for (const sampling of [
    { ...off, temperature: 1e-5 },
    { ...off, topK: 1 },
  ])
    sameTexts(await decode({ ...sample, sampling }), expected, JSON.stringify(sampling));
});

test('the seed of the golden rows draws the golden texts', async () => {
  // drawn once by this code without drafts, one at a time, on x64; those without near ties
  const golden = JSON.parse(readFileSync(join(packageRoot, 'tests/golden/sampled.json'), 'utf8')) as {
    id: string;
    ids: number[];
  }[];
  const outcomes = await decode(sample);
  for (const { id, ids } of golden) {
    const outcome = outcomes[held.findIndex((reference) => reference.id === id)] as Outcome;
    assert.equal(idsOf(outcome), ids, id);
  }
  assert.ok(golden.length >= 3);
});

const penalty = 1.3;

test('greedy with a repetition penalty: the texts of brute force, with drafts and without', async () => {
  const settings = { ...greedy, maxNewTokens: 20, repetitionPenalty: penalty };
  const drafted = await decode(settings);
  sameTexts(drafted, await decode({ ...settings, mode: 'autoregressive' }, { slots: 1 }), 'autoregressive');
  const without = await decode({ ...greedy, maxNewTokens: 20 });
  assert.ok(drafted.some((outcome, i) => `${idsOf(outcome)}` !== `${idsOf(without[i] as Outcome)}`));
  const engine = await CpuEngine.open({ model: modelFolder, cache, slots: 1, threads: 2 });
  for (const [i, { prompt_ids: prompt, id }] of held.slice(0, 4).entries()) {
    const ids = [...prompt];
    await engine.admit(0, Int32Array.from(prompt));
    for (let step = 0; step < 20 && (step === 0 || ids.at(-1) !== endToken); step++) {
      const tree = { tokens: Int32Array.of(ids.at(-1) as number), parents: Int32Array.of(-1) };
      const [verdicts] = (await engine.step([{ slot: 0, tree }], 2, { logits: true })) as [Verdicts];
      const logits = penalised([...verdicts.logits(0)], ids, penalty);
      ids.push(logits.indexOf(Math.max(...logits)));
      engine.keep(0, [0]);
    }
    engine.release(0);
    const outcome = drafted[i] as Outcome;
    const text = ids.slice(prompt.length).filter((token) => token !== endToken);
    if (outcome.nearTies === 0) assert.equal(idsOf(outcome), text, id);
  }
  await engine.close();
});

test('relaxed and sampled texts with a repetition penalty do not depend on concurrency', async () => {
  for (const mode of ['relaxed', 'sample'] as const) {
    const settings = { ...sample, mode, repetitionPenalty: 1.1 };
    const few = await decode(settings, { slots: 1 });
    sameTexts(await decode(settings, { slots: 8 }), few, mode);
    for (const { divergence } of few) assert.ok(divergence <= settings.divergenceBudget + 1e-9);
  }
});

test('a stop string ends a text: ids and vector are those of the tokens before it', async () => {
  const whole = await decode(short);
  const middle = (outcome: Outcome) => {
    const text = tokenizer.decode(outcome.outputIds);
    const at = Math.floor(text.length / 2);
    return { text, stop: text.slice(at, at + 7) };
  };
  for (const [i, outcome] of whole.slice(0, 3).entries()) {
    const { text, stop } = middle(outcome);
    const prompts = [held[i] as Reference];
    for (const mode of ['greedy', 'autoregressive'] as const) {
      const settings = { ...short, mode, stop: ['no such text', stop] };
      const ended = (await decode(settings, { prompts }))[i] as Outcome;
      assert.is(ended.finishReason, 'stop');
      assert.is(ended.stoppedText, text.slice(0, text.indexOf(stop)));
      const { length } = ended.outputIds;
      assert.equal(idsOf(ended), idsOf(outcome).slice(0, length));
      assert.ok(ended.stoppedText?.startsWith(tokenizer.decode(ended.outputIds)));
      assert.ok(!ended.stoppedText?.startsWith(tokenizer.decode(outcome.outputIds.slice(0, length + 1))));
      assert.ok(ended.emittedTokens > length);
      const cut = (await decode({ ...greedy, mode, maxNewTokens: length }, { prompts }))[i] as Outcome;
      ended.vector?.forEach((value, at) => {
        assert.ok(Math.abs(value - ((cut.vector as Float32Array)[at] as number)) < 1e-3);
      });
      assert.is(ended.vector?.length, cut.vector?.length);
    }
  }
});

test('a stop string that the text begins with leaves an empty text; one that never comes changes nothing', async () => {
  const whole = await decode(short);
  const first = tokenizer.decode((whole[0] as Outcome).outputIds).slice(0, 3);
  const prompts = [held[0] as Reference];
  const [empty] = (await decode({ ...short, stop: [first] }, { prompts })) as [Outcome];
  assert.equal([empty.stoppedText, idsOf(empty), empty.vector, empty.finishReason], ['', [], null, 'stop']);
  const same = await decode({ ...short, stop: ['no such text'] });
  same.forEach((outcome, i) => {
    const { vector, ...rest } = outcome;
    const { vector: expected, ...others } = whole[i] as Outcome;
    const alike = { nearTies: 0, logProbability: 0 };
    assert.equal({ ...rest, ...alike }, { ...others, ...alike });
    vector?.forEach((value, at) => {
      assert.ok(Math.abs(value - ((expected as Float32Array)[at] as number)) < 1e-3);
    });
  });
});

test.run();
