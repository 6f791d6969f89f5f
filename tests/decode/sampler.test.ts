import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Descending } from '../../src/decode/descending.js';
import { drawMargin, Sampler, type SamplingRule } from '../../src/decode/sampler.js';
import { best } from '../../src/engine/logits.js';
import { distribution } from './distribution.js';

const all: SamplingRule = { temperature: 1, topK: 0, topP: 1, minP: 0 };

/** The token at `uniform` of the cumulated distribution. */
function drawn(probabilities: readonly number[], uniform: number): number {
  let sum = 0;
  for (const [token, probability] of probabilities.entries()) {
    sum += probability;
    if (uniform < sum) return token;
  }
  return probabilities.findLastIndex((probability) => probability > 0);
}

// off the grid of possible cuts, so that rounding decides nothing; logits from a coarse grid, so that ties happen
const rules: fc.Arbitrary<SamplingRule> = fc.record({
  temperature: fc.constantFrom(0.25, 0.7, 1, 1.6),
  topK: fc.constantFrom(0, 1, 2, 3, 7, 1000),
  topP: fc.constantFrom(0.0101, 0.3103, 0.7507, 0.9509, 1),
  minP: fc.constantFrom(0, 0.0307, 0.2009, 0.7111, 1),
});
const rows = fc.array(
  fc.integer({ min: -12, max: 12 }).map((logit) => logit / 4),
  { minLength: 1, maxLength: 40 },
);
const numbers = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

test('a token is drawn from what top-k, top-p and min-p leave, as sorting everything says', () => {
  fc.assert(
    fc.property(rows, rules, numbers, (logits, rule, uniform) => {
      const { token } = new Sampler(rule).draw(Float32Array.from(logits), uniform);
      const probabilities = distribution(logits, rule);
      assert.ok((probabilities[token] as number) > 0, `${token} dropped out`);
      // the sums are rounded in another order
      const expected = [uniform, uniform - 1e-9, uniform + 1e-9].map((number) =>
        drawn(probabilities, number),
      );
      assert.ok(expected.includes(token), `${token} instead of ${expected[0]}`);
    }),
    { numRuns: 3000 },
  );
});

test('one sampler serves rows of all kinds in turn', () => {
  const rule: SamplingRule = { temperature: 0.8, topK: 5, topP: 0.9103, minP: 0.0107 };
  const sampler = new Sampler(rule);
  fc.assert(
    fc.property(rows, numbers, (logits, uniform) => {
      const row = Float32Array.from(logits);
      assert.equal(sampler.draw(row, uniform), new Sampler(rule).draw(row, uniform));
    }),
    { numRuns: 300 },
  );
});

test('shares of the draws are the probabilities', () => {
  const logits = [1, 0.5, -0.3, 2, -4, 0.1];
  for (const rule of [all, { temperature: 0.7, topK: 4, topP: 0.9, minP: 0.1 }]) {
    const sampler = new Sampler(rule);
    const probabilities = distribution(logits, rule);
    const shares = new Float64Array(logits.length);
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      const { token } = sampler.draw(Float32Array.from(logits), (i + 0.5) / count);
      shares[token] = (shares[token] as number) + 1 / count;
    }
    probabilities.forEach((probability, token) => {
      assert.ok(Math.abs((shares[token] as number) - probability) <= 1.001 / count, `token ${token}`);
    });
  }
});

test('draws that logits off by the margin turn are near ties, with every rule', () => {
  let turned = 0;
  fc.assert(
    fc.property(
      rows,
      rules,
      numbers,
      fc.array(fc.constantFrom(-1, 0, 1), { minLength: 40, maxLength: 40 }),
      (logits, rule, uniform, signs) => {
        const row = Float32Array.from(logits);
        // a little less than the margin: the float32 grid rounds
        const moved = row.map((logit, token) => logit + 0.99 * drawMargin * (signs[token] as number));
        const before = new Sampler(rule).draw(row, uniform);
        const after = new Sampler(rule).draw(moved, uniform);
        if (before.token === after.token) return;
        turned++;
        assert.ok(before.near, `${before.token} became ${after.token}`);
      },
    ),
    { numRuns: 20_000 },
  );
  assert.ok(turned > 20, `only ${turned} draws were turned: the test shows nothing`);
});

const nearTies: [string, number[], Partial<SamplingRule>, number, boolean][] = [
  ['in the middle of its token', [0, 0], {}, 0.25, false],
  ['at a boundary', [0, 0], {}, 0.5, true],
  ['just inside the margin of log-odds', [0, 0], {}, 0.5 - 0.00004, true],
  ['just outside the margin of log-odds', [0, 0], {}, 0.5 - 0.00006, false],
  ['twice as far with half the temperature', [0, 0], { temperature: 0.5 }, 0.5 - 0.00008, true],
  ['beyond it with half the temperature', [0, 0], { temperature: 0.5 }, 0.5 - 0.00012, false],
  ['the lowest number', [0, 0], {}, 0, false],
  ['two tokens at the cut of top-k', [0, -2, -2.00005], { topK: 2 }, 0.85, true],
  ['two tokens apart at the cut of top-k', [0, -2, -2.1], { topK: 2 }, 0.85, false],
  ['far from what top-k may drop', [0, -6, -6.00005], { topK: 2 }, 0.5, false],
  ['a token at the cut of min-p', [0, -1], { minP: Math.exp(-1) * 0.99995 }, 0.5, true],
  ['the whole reached by a hair at the cut of top-p', [0, 0, 0, -0.01], { topP: 0.75186 }, 0.6, true],
];
for (const [name, logits, rule, uniform, expected] of nearTies) {
  test(`near ties: ${name}`, () => {
    const { near } = new Sampler({ ...all, ...rule }).draw(Float32Array.from(logits), uniform);
    assert.is(near, expected);
  });
}

test('the extremes: a tiny temperature is greedy, top-k 1 is greedy, the largest number stays inside', () => {
  const row = Float32Array.of(1, 3, 2.99, -80, 0);
  for (const rule of [
    { temperature: 1e-6 },
    { topK: 1 },
    { topP: 1e-9 },
    { minP: 1 },
    { temperature: 1e-300 },
  ])
    for (const uniform of [0, 0.3, 1 - 2 ** -53])
      assert.is(new Sampler({ ...all, ...rule }).draw(row, uniform).token, 1, JSON.stringify(rule));
  const last = new Sampler(all).draw(Float32Array.of(0, 0, 0, -1e6), 1 - 2 ** -53);
  assert.is(last.token, 2);
});

test('a logit that is NaN or infinite is refused', () => {
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const at of [0, 1, 2]) {
      const row = Float32Array.of(1, 2, 3);
      row[at] = wrong;
      for (const rule of [all, { ...all, topK: 1 }])
        assert.throws(() => new Sampler(rule).draw(row, 0.5), /NaN or an infinite logit/);
    }
});

test('numbers come from the largest down; the best are those of a stable sort', () => {
  const values = fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 60 });
  const order = new Descending();
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 9 }), (list, count) => {
      order.fill(Float32Array.from(list));
      const sorted = [...list].sort((a, b) => b - a);
      for (const value of sorted) assert.is(order.pop(), value);
      assert.is(order.pop(), Number.NEGATIVE_INFINITY);
      const ids = [...list.keys()].sort((a, b) => (list[b] as number) - (list[a] as number) || a - b);
      assert.equal(best(Float32Array.from(list), count), ids.slice(0, count));
    }),
  );
});

test.run();
