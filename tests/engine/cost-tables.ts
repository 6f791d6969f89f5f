import fc from 'fast-check';
import { type CostTable, makeMonotone } from '../../src/engine/cost-table.js';

/** Points from 1 upwards, and monotone times for them. */
export const costTables = fc
  .record({
    batch: fc.uniqueArray(fc.integer({ min: 2, max: 64 }), { maxLength: 4 }),
    rows: fc.uniqueArray(fc.integer({ min: 2, max: 64 }), { maxLength: 6 }),
    values: fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 35, maxLength: 35 }),
  })
  .map(({ batch, rows, values }): CostTable => {
    const points = (of: number[]) => [1, ...of].sort((a, b) => a - b);
    const measured = points(batch).map((_, b) => points(rows).map((_, r) => values[b * 7 + r] as number));
    return { batch: points(batch), rows: points(rows), milliseconds: makeMonotone(measured) };
  });

/** Rows cost one text little, and sixteen texts as much as texts of their own. */
export const cheapAlone: CostTable = {
  batch: [1, 16],
  rows: [1, 9],
  milliseconds: [
    [10, 12],
    [16, 160],
  ],
};
