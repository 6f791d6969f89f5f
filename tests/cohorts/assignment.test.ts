import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { heaviestPairs } from '../../src/cohorts/assignment.js';

/** The largest sum of any pairing, by trying all of them. */
function best(weights: readonly (readonly number[])[], row = 0, taken = new Set<number>()): number {
  const own = weights[row];
  if (own === undefined) return 0;
  let sum = best(weights, row + 1, taken);
  for (const [column, weight] of own.entries()) {
    if (taken.has(column)) continue;
    sum = Math.max(sum, weight + best(weights, row + 1, new Set([...taken, column])));
  }
  return sum;
}

const matrix = fc
  .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }), fc.constantFrom(3, 1000))
  .chain(([rows, columns, most]) => {
    const row = fc.array(fc.integer({ min: 0, max: most }), { minLength: columns, maxLength: columns });
    return fc.array(row, { minLength: rows, maxLength: rows });
  });

test('the pairs weigh as much as the best of all pairings', () => {
  fc.assert(
    fc.property(matrix, (weights) => {
      const columns = heaviestPairs(weights);
      assert.is(columns.length, weights.length);
      const used = columns.filter((column) => column !== -1);
      assert.is(new Set(used).size, used.length, 'each column once');
      const picked = columns.map((column, row) => (column === -1 ? 0 : (weights[row]?.[column] as number)));
      assert.ok(
        picked.every((weight, row) => weight > 0 || columns[row] === -1),
        'no pair weighs nothing',
      );
      assert.is(
        picked.reduce((a, b) => a + b, 0),
        best(weights),
      );
    }),
    { numRuns: 500 },
  );
});

test('the largest weight gives way where the others gain more by it', () => {
  assert.equal(
    heaviestPairs([
      [9, 8],
      [8, 1],
    ]),
    [1, 0],
  );
  assert.equal(heaviestPairs([]), []);
  assert.equal(heaviestPairs([[], []]), [-1, -1]);
});

test.run();
