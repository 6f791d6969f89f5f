import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Chances, certain, chancePoints, encodeChances, estimateAt } from '../../src/pool/chances.js';

const rising = fc
  .array(fc.nat(certain), { minLength: chancePoints, maxLength: chancePoints })
  .map((values) => values.sort((a, b) => a - b));
const share = fc.double({ min: 0, max: 1, noNaN: true });

test('chances are those of the points there, on straight lines between them, and 0 of 0', () => {
  fc.assert(
    fc.property(rising, fc.nat(chancePoints - 1), share, (encoded, point, beyond) => {
      const chances = new Chances(encoded);
      const [low, high] = [point === 0 ? 0 : (encoded[point - 1] as number), encoded[point] as number];
      const estimate = estimateAt(point) + beyond * (estimateAt(point + 1) - estimateAt(point));
      assert.ok(Math.abs(chances.of(estimate) - (low + beyond * (high - low)) / certain) < 1e-9);
    }),
  );
});

test('they never fall, and the least estimate of a chance is found', () => {
  fc.assert(
    fc.property(rising, share, share, (encoded, a, b) => {
      const chances = new Chances(encoded);
      assert.ok(chances.of(Math.min(a, b)) <= chances.of(Math.max(a, b)) + 1e-12);
      const least = chances.estimateOf(b);
      if (chances.of(a) > b + 1e-9) assert.ok(a >= least - 1e-9, `${a} is enough, not just ${least}`);
      if (chances.of(a) < b - 1e-9)
        assert.ok(a <= least + 1e-9, `${a} is too little, ${least} is said to do`);
    }),
  );
  const half = new Chances(Array.from({ length: chancePoints }, (_, i) => 250 * (i + 1)));
  assert.is(half.estimateOf(0.6), Number.POSITIVE_INFINITY);
  assert.is(half.estimateOf(0), 0);
  assert.ok(Math.abs(half.estimateOf(0.25) - 0.5) < 1e-12);
});

test('what is no rising list of chances is refused', () => {
  const whole = encodeChances(Array.from({ length: chancePoints }, (_, i) => estimateAt(i + 1)));
  assert.is(new Chances(whole).of(0.3).toFixed(9), '0.300000000');
  for (const wrong of [
    whole.slice(1),
    [...whole.slice(1), certain + 1],
    [-1, ...whole.slice(1)],
    whole.toReversed(),
  ])
    assert.throws(() => new Chances(wrong), RangeError);
});

test.run();
