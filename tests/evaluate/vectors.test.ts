import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { distance, meanPairDistance } from '../../src/evaluate/vectors.js';

test('1 - cosine', () => {
  for (const [a, b, expected] of [
    [[1, 0], [2, 0], 0],
    [[1, 0], [0, 3], 1],
    [[1, 0], [-1, 0], 2],
    [[3, 4], [4, 3], 1 - 24 / 25],
  ] as const)
    assert.ok(Math.abs(distance(Float32Array.from(a), Float32Array.from(b)) - expected) < 1e-12);
  assert.ok(Number.isNaN(distance(Float32Array.of(0, 0), Float32Array.of(1, 0))));
});

const entry = fc.double({ min: 0.1, max: 3, noNaN: true });
const vectors = fc.array(fc.tuple(entry, entry, entry), { minLength: 2, maxLength: 12 });

test('the mean distance of pairs is that of all pairs, one by one', () => {
  fc.assert(
    fc.property(vectors, (rows) => {
      const all = rows.map((row) => Float64Array.from(row));
      const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => distance(a, b)));
      const mean = pairs.reduce((sum, one) => sum + one, 0) / pairs.length;
      assert.ok(Math.abs((meanPairDistance(all) ?? Number.NaN) - mean) < 1e-9);
    }),
  );
  assert.is(meanPairDistance([Float32Array.of(1)]), null);
});

test.run();
