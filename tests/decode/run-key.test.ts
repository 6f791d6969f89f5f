import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decode } from '../../src/config/schema.js';
import { roundOf } from '../../src/decode/rounds.js';
import { inShard, type RunInputs, runKey } from '../../src/decode/run-key.js';
import { differences } from '../../src/lake/kept-journal.js';

const inputs: RunInputs = {
  prompts: 'p',
  model: 'm',
  weights: 'float32',
  tokenizer: 't',
  poolVersion: null,
  decode: decode.parse({}),
  maxLength: 6,
  shard: undefined,
  costs: undefined,
};
const differing = (changes: Partial<RunInputs>, base = inputs) =>
  differences(runKey(base), runKey({ ...base, ...changes }));

test('what decides the rows is in the key, by the name that a user knows; what does not is not', () => {
  assert.equal(differing({ prompts: 'q' }), ['other prompts']);
  assert.equal(differing({ model: 'n' }), ['other model']);
  assert.equal(differing({ weights: 'int8' }), ['other weights']);
  assert.equal(differing({ tokenizer: 'u' }), ['other tokenizer']);
  const costs = { batch: [1], rows: [1], milliseconds: [[2]] };
  assert.equal(differing({ costs }), ['other cost table']);
  assert.equal(differing({ shard: { index: 1, count: 2 } }), ['other shard']);
  assert.equal(differing({ decode: decode.parse({ topK: 2, stop: ['x'] }) }), [
    'other decode.topK',
    'other decode.stop',
  ]);
  assert.equal(
    differing({ decode: decode.parse({ concurrency: 3, maxFailedShare: 0.5, verifyPools: false }) }),
    [],
  );
});

test('rounds, and the n-grams of their pools, count where there are no pools', () => {
  const rounds = { decode: decode.parse({ rounds: { first: 0.5 } }), maxLength: 4 };
  assert.equal(differing(rounds), ['other decode.rounds', 'other pools.maxLength']);
  assert.equal(differing(rounds, { ...inputs, poolVersion: 'v' }), []);
  assert.equal(differing({ poolVersion: 'w' }, { ...inputs, poolVersion: 'v' }), ['other pools']);
});

test('every prompt is in one shard, of any number; shards are even, and of all rounds', () => {
  const ids = Array.from({ length: 3000 }, (_, i) => `kar:item:${i}`);
  for (const count of [1, 2, 7, 50]) {
    const sizes = Array.from({ length: count }, (_, i) => {
      return ids.filter((id) => inShard(id, { index: i + 1, count })).length;
    });
    assert.is(
      sizes.reduce((sum, size) => sum + size, 0),
      ids.length,
    );
    if (count < 10) for (const size of sizes) assert.ok(Math.abs(size - 3000 / count) < 150, sizes.join());
  }
  const first = ids.filter((id) => inShard(id, { index: 1, count: 2 }));
  const early = first.filter((id) => roundOf(id, [0.5, 1]) === 0);
  assert.ok(Math.abs(early.length - first.length / 2) < 150, 'not the hash that decides the round');
  assert.ok(ids.every((id) => inShard(id, undefined)));
});

test.run();
