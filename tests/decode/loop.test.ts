import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DecodeWorker } from '../../src/decode/client.js';
import type { DecodeRules, Outcome } from '../../src/decode/sequence.js';
import type { CostTable } from '../../src/engine/cost-table.js';
import { DareError } from '../../src/errors.js';
import { type PoolKey, poolKey, sharedKey } from '../../src/pool/builder.js';
import { cache } from '../model-cache.js';
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

const folder = mkdtempSync(join(tmpdir(), 'dare-loop-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const start = (slots: number, model = modelFolder) =>
  DecodeWorker.start({
    // at one text a time several threads would wait for each other busily
    engine: { model, cache, slots, threads: slots === 1 ? 1 : 2, device: 'cpu' },
    vocabulary: tokenizer.vocabularySize,
    endTokens: [endToken],
  });

type Pools = Map<PoolKey, SharedArrayBuffer>;

async function decode(
  slots: number,
  prompts: readonly Reference[],
  settings: DecodeRules,
  pools: Pools,
  costs?: CostTable,
): Promise<Outcome[]> {
  const worker = await start(slots);
  try {
    worker.use(settings, costs);
    worker.usePools(pools);
    const key = ({ id }: Reference) => poolKey('any', cohortOf(id));
    return await Promise.all(
      prompts.map((prompt) => worker.decode(requestOf(prompt.prompt_ids, prompt.id), key(prompt))),
    );
  } finally {
    await worker.close();
  }
}

// every second prompt is drafted from the texts of the others
const held = references.filter((_, place) => place % 2 === 0);
const pools = poolsWithout((place) => place % 2 === 0);

for (const slots of [1, 16]) {
  test(`greedy texts are the autoregressive ones in fewer steps, ${slots} at a time`, async () => {
    const drafted = await decode(slots, held, greedy, pools);
    const plain = await decode(slots, held, { ...greedy, mode: 'autoregressive' }, new Map());
    drafted.forEach((outcome, i) => {
      const reference = held[i] as Reference;
      assert.equal([...outcome.outputIds], reference.output_ids.slice(0, -1), reference.id);
      assert.equal([...outcome.outputIds], [...(plain[i] as Outcome).outputIds]);
      assert.is(outcome.finishReason, 'stop');
      assert.is(outcome.divergence, 0);
      assert.is(outcome.relaxedTokens, 0);
      for (const { logProbability } of [outcome, plain[i] as Outcome])
        assert.ok(Math.abs((logProbability ?? 0) - reference.sum_logprob) < 1e-2, reference.id);
      nearlyEqual(outcome.vector, (plain[i] as Outcome).vector);
      // each step emits its accepted tokens and one more, but nothing after an end token that was drafted
      const most = outcome.decodeSteps + outcome.acceptedTokens;
      const emitted = outcome.outputIds.length + 1;
      assert.ok(most === emitted || most === emitted + 1, `${most} of ${emitted}`);
    });
    const steps = (outcomes: Outcome[]) => outcomes.reduce((sum, { decodeSteps }) => sum + decodeSteps, 0);
    assert.ok(steps(drafted) * 2 < steps(plain), `${steps(drafted)} steps against ${steps(plain)}`);
    for (const outcome of plain) assert.is(outcome.decodeSteps, outcome.outputIds.length + 1);
  });
}

/** Steps of a machine that is far slower with many rows. */
const steep: CostTable = {
  batch: [1, 16],
  rows: [1, 8, 64],
  milliseconds: [
    [2, 3, 12],
    [6, 24, 170],
  ],
};
const flat: CostTable = { batch: [1], rows: [1, 64], milliseconds: [[5, 5.5]] };
/** Where rows cost little, also of many sequences: drafts are long enough for some tokens to be relaxed. */
const gentle: CostTable = {
  batch: [1, 16],
  rows: [1, 8, 64],
  milliseconds: [
    [5, 5.2, 6],
    [10, 10.6, 14],
  ],
};
const { minPathProbability: _, ...weighed } = greedy;

test('greedy texts are the same whatever steps cost, and drafts grow where they are cheap', async () => {
  const rows: number[] = [];
  for (const costs of [steep, flat]) {
    const outcomes = await decode(16, held, { ...weighed, nodes: 63 }, pools, costs);
    outcomes.forEach((outcome, i) => {
      const reference = held[i] as Reference;
      assert.equal([...outcome.outputIds], reference.output_ids.slice(0, -1), reference.id);
    });
    rows.push(outcomes.reduce((sum, { draftedTokens }) => sum + draftedTokens, 0));
  }
  const [few = 0, many = 0] = rows;
  assert.ok(few * 2 < many, `${few} draft rows against ${many}`);
});

test('drafts of relaxed texts are as large as the pools say that they should be', async () => {
  const settings: DecodeRules = { ...weighed, mode: 'relaxed', nodes: 63 };
  const drafted: number[] = [];
  for (const learnt of [true, false]) {
    const known = poolsWithout((place) => place % 2 === 0, learnt);
    const outcomes = await decode(16, held, settings, known, gentle);
    const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + of(one), 0);
    drafted.push(sum((one) => one.draftedTokens) / sum((one) => one.decodeSteps));
  }
  const [told = 0, guessed = 0] = drafted;
  // the assumed profile has 8 nodes at most; texts of this model are surer than that
  assert.ok(told > 1.2 * guessed, `${told} draft rows a step against ${guessed}`);
});

for (const [name, relaxed, costs] of [
  ['drafts of a given size', greedy, undefined],
  ['drafts that are weighed', { ...weighed, nodes: 63 }, gentle],
  ['relaxing that has its price', { ...weighed, nodes: 63, topK: 3, minProb: 0.05, minGain: 4 }, gentle],
] as const) {
  test(`relaxed texts do not depend on concurrency or order: ${name}`, () =>
    independent({ ...relaxed, mode: 'relaxed' }, costs));
}

async function independent(relaxed: DecodeRules, costs: CostTable | undefined): Promise<void> {
  const first = await decode(1, held, relaxed, pools, costs);
  assert.ok(
    first.some(({ relaxedTokens }) => relaxedTokens > 0),
    'nothing was relaxed: the test shows nothing',
  );
  // one size of batches is enough where the rows are weighed: the first case has tried others
  for (const slots of costs === undefined ? [7, 16] : [16]) {
    const backwards = [...held].reverse();
    const outcomes = (await decode(slots, backwards, relaxed, pools, costs)).reverse();
    outcomes.forEach((outcome, i) => {
      const alone = first[i] as Outcome;
      assert.ok(outcome.divergence <= relaxed.divergenceBudget + 1e-9);
      if (alone.nearTies > 0 || outcome.nearTies > 0) return;
      assert.equal(
        [...outcome.outputIds],
        [...alone.outputIds],
        `${(held[i] as Reference).id}, ${slots} slots`,
      );
      assert.is(outcome.relaxedTokens, alone.relaxedTokens);
      assert.is(outcome.draftedTokens, alone.draftedTokens);
    });
  }
}

test('a divergence budget of nothing, or one best token, gives the greedy texts', async () => {
  for (const strict of [{ divergenceBudget: 0 }, { topK: 1 }, { minProb: 1 }]) {
    const outcomes = await decode(16, held, { ...greedy, mode: 'relaxed', ...strict }, pools);
    outcomes.forEach((outcome, i) => {
      assert.equal(
        [...outcome.outputIds],
        (held[i] as Reference).output_ids.slice(0, -1),
        JSON.stringify(strict),
      );
    });
  }
});

test('a text cut at maxNewTokens has the vector of its tokens', async () => {
  const long = held.filter(({ output_ids: ids }) => ids.length > 21).slice(0, 6);
  for (const maxNewTokens of [1, 2, 7, 20]) {
    const drafted = await decode(4, long, { ...greedy, maxNewTokens }, pools);
    const plain = await decode(1, long, { ...greedy, mode: 'autoregressive', maxNewTokens }, new Map());
    drafted.forEach((outcome, i) => {
      const { output_ids: expected, id } = long[i] as Reference;
      assert.equal([...outcome.outputIds], expected.slice(0, maxNewTokens), id);
      assert.is(outcome.finishReason, 'length');
      nearlyEqual(outcome.vector, (plain[i] as Outcome).vector);
      // the step for the last token's state writes nothing: without drafts each step writes one token
      assert.is((plain[i] as Outcome).decodeSteps, maxNewTokens);
    });
  }
});

test('a text ends where the context does', async () => {
  const worker = await start(2);
  worker.use(greedy);
  worker.usePools(pools);
  const filler = (references[0] as Reference).prompt_ids.slice(3, 40);
  const ids = Int32Array.from({ length: worker.context - 5 }, (_, i) => filler[i % filler.length] as number);
  const outcome = await worker.decode(requestOf(ids), sharedKey);
  assert.ok(outcome.outputIds.length <= 5);
  if (outcome.finishReason !== 'stop') {
    assert.is(outcome.finishReason, 'context');
    assert.is(outcome.outputIds.length, 5);
  }
  const short = await worker.decode(requestOf([5]), sharedKey);
  assert.ok(short.outputIds.length > 0);
  for (const wrong of [new Int32Array(0), new Int32Array(worker.context)]) {
    await worker.decode(requestOf(wrong), sharedKey).then(
      () => assert.unreachable(),
      (error: unknown) => assert.match((error as Error).message, /tokens/),
    );
  }
  await worker.close();
});

test('a thread that is closed within a step ends alone: its texts fail, the process goes on', async () => {
  // ONNX Runtime would abort the process most of the times
  for (let steps = 0; steps < 8; steps++) {
    const worker = await start(16);
    worker.use({ ...greedy, mode: 'autoregressive' });
    worker.usePools(new Map());
    const texts = references.map(({ prompt_ids: ids }) => worker.decode(requestOf(ids), sharedKey));
    const outcomes = Promise.allSettled(texts);
    // answered between two steps: the next one begins at once
    for (let step = 0; step < steps; step++) await worker.statistics();
    await worker.close();
    await worker.close();
    for (const outcome of await outcomes) {
      assert.is(outcome.status, 'rejected');
      assert.match((outcome as PromiseRejectedResult).reason.message, /thread was closed/);
    }
  }
});

test('a model that is missing, broken or not supported ends with one sentence', async () => {
  const copy = (name: string) => {
    const to = join(folder, name);
    cpSync(modelFolder, to, { recursive: true });
    return to;
  };
  const truncated = copy('truncated');
  truncateSync(join(truncated, 'model.safetensors'), 100_000);
  const foreign = copy('foreign');
  const config = JSON.parse(readFileSync(join(foreign, 'config.json'), 'utf8')) as object;
  writeFileSync(
    join(foreign, 'config.json'),
    JSON.stringify({ ...config, architectures: ['GPT2LMHeadModel'] }),
  );
  const mixed = copy('mixed');
  writeFileSync(join(mixed, 'config.json'), JSON.stringify({ ...config, hidden_size: 512 }));
  for (const [model, words] of [
    [join(folder, 'nowhere'), /there is no model at .*nowhere/],
    [truncated, /truncated/],
    [foreign, /GPT2LMHeadModel/],
    [mixed, /shape/],
  ] as const) {
    await start(1, model).then(
      () => assert.unreachable(model),
      (error: unknown) => {
        assert.instance(error, DareError);
        assert.is((error as DareError).exitCode, 2);
        assert.match((error as DareError).message, words);
      },
    );
  }
});

function nearlyEqual(a: Float32Array | null, b: Float32Array | null): void {
  assert.ok(a !== null && b !== null && a.length === b.length);
  for (const [i, value] of a.entries()) {
    assert.ok(Math.abs(value - (b[i] as number)) < 1e-3, `${i}: ${value} ${b[i]}`);
  }
}

test.run();
