import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isotonic } from '../../src/draft/isotonic.js';

const sample = fc.array(fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 1, max: 9 })), {
  maxLength: 12,
});

test('values are the min-max averages of isotonic regression', () => {
  fc.assert(
    fc.property(sample, (points) => {
      const mean = (from: number, to: number) => {
        const part = points.slice(from, to + 1);
        const weight = part.reduce((sum, [, w]) => sum + w, 0);
        return part.reduce((sum, [value, w]) => sum + value * w, 0) / weight;
      };
      // the largest over starts of the least over ends (Robertson, Wright & Dykstra 1988, theorem 1.4.4)
      const places = [...points.keys()];
      const expected = places.map((i) =>
        Math.max(
          ...places.slice(0, i + 1).map((from) => Math.min(...places.slice(i).map((to) => mean(from, to)))),
        ),
      );
      const found = isotonic(
        points.map(([value]) => value),
        points.map(([, weight]) => weight),
      );
      assert.is(found.length, points.length);
      for (const [i, value] of expected.entries()) assert.ok(Math.abs(value - (found[i] as number)) < 1e-9);
    }),
  );
});

test.run();
