import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { asEstimated, type BetaCurve, BetaFit, chanceBy } from '../../src/draft/beta.js';

/** Outcomes of estimates at the middle of each hundredth, as many of each as there are, that come as the curve says. */
function outcomesOf(curve: BetaCurve, each: number): { estimate: number; came: boolean }[] {
  return Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100).flatMap((estimate) => {
    const hits = Math.round(each * chanceBy(curve, estimate));
    return Array.from({ length: each }, (_, k) => ({ estimate, came: k < hits }));
  });
}

function fitOf(outcomes: readonly { estimate: number; came: boolean }[]): BetaFit {
  const fit = new BetaFit();
  for (const { estimate, came } of outcomes) fit.add(estimate, came);
  return fit;
}

/** What the curve is chosen to make largest: the outcomes' log-likelihood, held back by the assumed curve. */
function objective(
  curve: BetaCurve,
  usual: BetaCurve,
  outcomes: readonly { estimate: number; came: boolean }[],
): number {
  const likelihood = outcomes.reduce((sum, { estimate, came }) => {
    // as the fit has it: all outcomes of a bin at its middle
    const chance = chanceBy(curve, (Math.floor(estimate * 200) + 0.5) / 200);
    return sum + Math.log(Math.max(1e-300, came ? chance : 1 - chance));
  }, 0);
  return likelihood - curve.reduce((sum, value, i) => sum + 50 * (value - (usual[i] as number)) ** 2, 0);
}

test('the curve that outcomes were made by is found', () => {
  for (const curve of [
    [1, 1, 0],
    [0.6, 1.3, 0.2],
    [1.5, 0.7, -0.4],
  ] as const) {
    const found = fitOf(outcomesOf(curve, 2000)).curve();
    for (let estimate = 0.05; estimate < 1; estimate += 0.05)
      assert.ok(
        Math.abs(chanceBy(found, estimate) - chanceBy(curve, estimate)) < 0.01,
        `${curve}: ${estimate}`,
      );
  }
});

test('nothing seen: the usual curve, as estimated if left out', () => {
  assert.equal(new BetaFit().curve(), asEstimated);
  assert.equal(new BetaFit().curve([2, 0.5, 1]), [2, 0.5, 1]);
  for (const estimate of [0, 0.001, 0.3, 1])
    assert.ok(Math.abs(chanceBy(asEstimated, estimate) - estimate) < 1e-12);
});

test('no curve near by is better, whatever was seen', () => {
  const outcome = fc.record({ estimate: fc.double({ min: 0, max: 0.999, noNaN: true }), came: fc.boolean() });
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 60 }), (outcomes) => {
      const curve = fitOf(outcomes).curve();
      const best = objective(curve, asEstimated, outcomes);
      for (const [i, by] of [0, 1, 2].flatMap((i) => [-0.05, 0.05].map((by) => [i, by] as const))) {
        const other = curve.map((value, j) => (i === j ? value + by : value)) as [number, number, number];
        assert.ok(objective(other, asEstimated, outcomes) <= best + 1e-6, `${other} beside ${curve}`);
      }
    }),
  );
});

test.run();
