import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { auc, logLoss, orderOf } from '../../src/evaluate/ranking.js';

/** Looks at every pair. */
function aucByPairs(chances: Float64Array, liked: Uint8Array, weights: Float64Array): number {
  let [won, pairs] = [0, 0];
  for (let i = 0; i < chances.length; i++) {
    for (let j = 0; j < chances.length; j++) {
      if (liked[i] !== 1 || liked[j] === 1) continue;
      const weight = (weights[i] as number) * (weights[j] as number);
      const [a, b] = [chances[i] as number, chances[j] as number];
      won += weight * (a > b ? 1 : a === b ? 0.5 : 0);
      pairs += weight;
    }
  }
  return won / pairs;
}

const row = fc.record({
  chance: fc.integer({ min: 0, max: 5 }),
  liked: fc.boolean(),
  weight: fc.integer({ min: 0, max: 3 }),
});

test('AUC by ranks is that of all pairs, with ties and weights', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
      const chances = Float64Array.from(rows, ({ chance }) => chance / 5);
      const liked = Uint8Array.from(rows, (one) => (one.liked ? 1 : 0));
      const weights = Float64Array.from(rows, ({ weight }) => weight);
      const ones = weights.map(() => 1);
      for (const [found, expected] of [
        [auc(chances, liked, orderOf(chances), weights), aucByPairs(chances, liked, weights)],
        [auc(chances, liked), aucByPairs(chances, liked, ones)],
      ] as const)
        assert.ok(Object.is(found, expected) || Math.abs(found - expected) < 1e-9, `${found} ${expected}`);
    }),
  );
});

test('log loss is the mean of what was not foreseen', () => {
  const loss = logLoss(Float64Array.of(0.8, 0.4), Uint8Array.of(1, 0));
  assert.ok(Math.abs(loss + (Math.log(0.8) + Math.log(0.6)) / 2) < 1e-12);
  assert.ok(Number.isFinite(logLoss(Float64Array.of(0), Uint8Array.of(1))));
});

test.run();
