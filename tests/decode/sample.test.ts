/** Mode sample on a tiny model: what is drawn with draft trees is what the model's own distribution says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeLoop } from '../../src/decode/loop.js';
import type { DecodeSettings, Outcome } from '../../src/decode/sequence.js';
import type { DraftPools } from '../../src/draft/drafter.js';
import { OwnDrafting } from '../../src/draft/drafting.js';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { PoolBuilder, sharedKey } from '../../src/pool/builder.js';
import { openPool } from '../../src/pool/file.js';
import { chiSquare, distribution, penalised } from './distribution.js';
import { greedy, requestOf } from './fixture.js';
import { tinyEnd, tinyVocabulary, writeTinyModel } from './tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-sample-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const model = writeTinyModel(join(folder, 'model'));
const open = (slots: number, path = model) =>
  CpuEngine.open({ model: path, cache: join(folder, 'cache'), slots, threads: 1 });

const prompt = [3, 1, 4];
const tokens = 3;
const texts = 4000;

const plain: DecodeSettings = { ...greedy, mode: 'sample', maxNewTokens: tokens, nodes: 0 };
/** Wide trees, whatever is thought of their nodes. */
const drafted: DecodeSettings = { ...plain, nodes: 16, minPathProbability: 1e-3 };

const rules: [string, Partial<DecodeSettings>][] = [
  ['the model itself', {}],
  ['temperature', { sampling: { temperature: 0.6, topK: 0, topP: 1, minP: 0 } }],
  ['everything', { sampling: { temperature: 1.3, topK: 5, topP: 0.93, minP: 0.04 }, repetitionPenalty: 1.4 }],
];

async function decodeMany(engine: CpuEngine, settings: DecodeSettings, pools: DraftPools, seed: number) {
  const loop = new DecodeLoop(
    engine,
    settings,
    new OwnDrafting(tinyVocabulary, new Set([tinyEnd])),
    new Set([tinyEnd]),
  );
  const requests = Array.from({ length: texts }, (_, i) => requestOf(prompt, `prompt ${i}`, seed));
  return await Promise.all(requests.map((request) => loop.decode(request, pools)));
}

/** A text with its end token, as a key. */
const keyOf = ({ outputIds, finishReason }: Outcome) =>
  [...outputIds, ...(finishReason === 'stop' ? [tinyEnd] : [])].join(' ');

/** Probability of each text, from the model's logits for each beginning of it. */
async function exact(
  engine: CpuEngine,
  { sampling, repetitionPenalty }: DecodeSettings,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const visit = async (text: number[], probability: number): Promise<void> => {
    const ids = [...prompt, ...text];
    await engine.admit(0, Int32Array.from(ids));
    const tree = { tokens: Int32Array.of(ids.at(-1) as number), parents: Int32Array.of(-1) };
    const [verdicts] = (await engine.step([{ slot: 0, tree }], 2, { logits: true })) as [Verdicts];
    const logits = penalised([...verdicts.logits(0)], ids, repetitionPenalty);
    engine.release(0);
    for (const [token, share] of distribution(logits, sampling).entries()) {
      const longer = [...text, token];
      if (token === tinyEnd || longer.length === tokens) found.set(longer.join(' '), probability * share);
      else await visit(longer, probability * share);
    }
  };
  await visit([], 1);
  return found;
}

/** A pool of texts that were drawn: its counts are what the model says, so trees have several likely branches. */
function poolOf(outcomes: readonly Outcome[]): DraftPools {
  const builder = new PoolBuilder({
    tokenizer: 'tiny',
    maxLength: 6,
    generationPrompt: Int32Array.from(prompt),
    endToken: tinyEnd,
  });
  for (const { outputIds, finishReason } of outcomes)
    builder.add(null, null, outputIds, finishReason === 'stop');
  const shared = [...builder.build()].find(({ key }) => key === sharedKey);
  return { shared: openPool((shared as { bytes: SharedArrayBuffer }).bytes, 'A pool').pool };
}

for (const [name, options] of rules) {
  test(`texts drawn with draft trees are distributed as the model says: ${name}`, async () => {
    const engine = await open(16);
    const probabilities = await exact(engine, { ...plain, ...options });
    const keys = [...probabilities.keys()];
    const counts = (outcomes: readonly Outcome[]) => {
      const count = new Map<string, number>();
      for (const outcome of outcomes) count.set(keyOf(outcome), (count.get(keyOf(outcome)) ?? 0) + 1);
      for (const key of count.keys()) assert.ok((probabilities.get(key) ?? 0) > 0, `${key} can't be drawn`);
      return keys.map((key) => count.get(key) ?? 0);
    };
    const alone = await decodeMany(engine, { ...plain, ...options }, {}, 1);
    const pools = poolOf(alone.slice(0, 500));
    const speculative = await decodeMany(engine, { ...drafted, ...options }, pools, 2);

    const accepted = speculative.reduce((sum, outcome) => sum + outcome.acceptedTokens, 0);
    const drafts = speculative.reduce((sum, outcome) => sum + outcome.draftedTokens, 0);
    const steps = speculative.reduce((sum, outcome) => sum + outcome.decodeSteps, 0);
    assert.ok(drafts > 5 * steps, `${drafts} drafts in ${steps} steps: the trees are lines`);
    assert.ok(accepted > texts, `${accepted} tokens of ${texts} texts were accepted`);
    assert.ok(drafts > 2 * accepted, 'hardly any draft was refused');

    const expected = keys.map((key) => (probabilities.get(key) as number) * texts);
    for (const [kind, outcomes] of [
      ['alone', alone],
      ['speculative', speculative],
    ] as const) {
      const { sum, limit } = chiSquare(counts(outcomes), expected);
      assert.ok(sum < limit, `${kind}: chi-square ${sum}, once in a thousand above ${limit}`);
    }
    const [a, b] = [counts(alone), counts(speculative)];
    // two samples of equal size: the difference of two counts has twice the variance of their mean
    const means = a.map((count, i) => (count + (b[i] as number)) / 2);
    const { sum, limit } = chiSquare(
      a.map((count, i) => (means[i] as number) + (count - (b[i] as number)) / Math.SQRT2),
      means,
    );
    assert.ok(sum < limit, `alone against speculative: chi-square ${sum}, once in a thousand above ${limit}`);

    const again = await decodeMany(engine, { ...drafted, ...options }, pools, 1);
    const differ = again.filter((outcome, i) => keyOf(outcome) !== keyOf(alone[i] as Outcome));
    assert.equal(
      differ.filter(({ nearTies }) => nearTies === 0).map(keyOf),
      [],
      'the same seed draws the same texts',
    );
    assert.ok(differ.length < texts / 1000, `${differ.length} texts were turned by noise`);
    await engine.close();
  });
}

test('a model that computes NaN or infinite logits is refused in every mode', async () => {
  for (const [name, value] of [
    ['nan', Number.NaN],
    ['infinite', 3e38],
  ] as const) {
    const broken = writeTinyModel(join(folder, name), (tensor, values) => {
      // of one token
      if (tensor === 'lm_head.weight') values.fill(value, 16, 32);
    });
    const engine = await open(1, broken);
    for (const settings of [drafted, { ...greedy, nodes: 4 }, { ...greedy, repetitionPenalty: 1.2 }]) {
      const loop = new DecodeLoop(
        engine,
        settings,
        new OwnDrafting(tinyVocabulary, new Set([tinyEnd])),
        new Set([tinyEnd]),
      );
      await loop.decode(requestOf(prompt), {}).then(
        () => assert.unreachable(`${name}, ${settings.mode}`),
        (error: unknown) => assert.match((error as Error).message, /NaN or an infinite logit/),
      );
    }
    await engine.close();
  }
});

test.run();
