import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CostTable,
  costCurve,
  loadCostTable,
  makeMonotone,
  parseCostTable,
  stepMilliseconds,
} from '../../src/engine/cost-table.js';
import { DareError } from '../../src/errors.js';
import { costTables } from './cost-tables.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-costs-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const table: CostTable = {
  batch: [1, 4],
  rows: [1, 2, 8],
  milliseconds: [
    [10, 12, 18],
    [16, 24, 60],
  ],
};

test('a table is read at its points, between them and beyond', () => {
  for (const [batch, rows, expected] of [
    [1, 1, 10],
    [1, 8, 18],
    [4, 2, 24],
    [1, 5, 15],
    [2, 1, 12],
    [3, 5, (1 / 3) * 15 + (2 / 3) * 42],
    [1, 10, 20],
    [7, 1, 28],
    [8, 14, 2 * 96],
  ] as const) {
    assert.ok(Math.abs(stepMilliseconds(table, batch, rows) - expected) < 1e-9, `${batch} x ${rows}`);
  }
  const single = { batch: [1], rows: [1], milliseconds: [[3]] };
  assert.is(stepMilliseconds(single, 9, 5), 27);
});

test('a further row costs what those up to the best point do on average', () => {
  const bent = { ...table, rows: [1, 2, 8, 16], milliseconds: [[10, 10, 18, 22]], batch: [1] };
  assert.is(costCurve(bent, 1).cheapestRow(1), 0);
  assert.is(costCurve(bent, 1).cheapestRow(2), 12 / 14);
  assert.is(costCurve(bent, 1).cheapestRow(8), 0.5);
  assert.is(costCurve(bent, 1).cheapestRow(99), 0.5, 'as it goes on');
  assert.is(costCurve(table, 4).cheapestRow(1), 44 / 7, 'one point may be dearer than all up to the next');
  assert.is(costCurve({ batch: [1], rows: [1], milliseconds: [[1]] }, 1).cheapestRow(1), 0);
});

test('more rows never take less, and what is read lies among the points around it', () => {
  fc.assert(
    fc.property(
      costTables,
      fc.integer({ min: 1, max: 70 }),
      fc.double({ min: 1, max: 70, noNaN: true }),
      (any, b, r) => {
        const here = stepMilliseconds(any, b, r);
        assert.ok(stepMilliseconds(any, b, r + 0.5) >= here - 1e-9);
        // between two batches lies what both say
        const low = any.batch.findLast((point) => point <= b) as number;
        const high = any.batch.find((point) => point >= b);
        if (high === undefined || r > (any.rows.at(-1) as number)) return;
        assert.ok(
          here >= stepMilliseconds(any, low, r) - 1e-9 && here <= stepMilliseconds(any, high, r) + 1e-9,
        );
      },
    ),
  );
});

test('of times that fall the longer ones are lowered, others stay', () => {
  assert.equal(makeMonotone(table.milliseconds), table.milliseconds);
  assert.equal(
    makeMonotone([
      [3, 2, 4],
      [1, 5, 3],
    ]),
    [
      [1, 2, 3],
      [1, 3, 3],
    ],
  );
});

test('a table goes to JSON and comes back, whatever stands beside it', () => {
  const file = join(folder, 'costs.json');
  writeFileSync(file, JSON.stringify({ device: 'cpu', ...table }));
  assert.equal(loadCostTable(file), table);
});

test('what is no cost table is refused in one sentence', () => {
  const refused = (text: string, words: RegExp) => {
    try {
      parseCostTable(text, 'costs.json');
    } catch (error) {
      assert.instance(error, DareError);
      assert.is((error as DareError).exitCode, 2);
      assert.match((error as DareError).message, words);
      assert.match((error as DareError).message, /^costs\.json/);
      return;
    }
    assert.unreachable(text);
  };
  refused('{"batch":', /isn't JSON/);
  refused('[]', /an object with/);
  refused('{}', /"batch" must be/);
  const altered = (change: object) => JSON.stringify({ ...table, ...change });
  refused(altered({ batch: [2, 4] }), /begin with 1/);
  refused(altered({ rows: [1, 8, 2] }), /"rows" must be ascending/);
  refused(altered({ milliseconds: [[10, 12, 18]] }), /a list for every "batch"/);
  refused(
    altered({
      milliseconds: [
        [10, 12],
        [16, 24],
      ],
    }),
    /a list for every "batch"/,
  );
  refused(
    altered({
      milliseconds: [
        [10, 12, 0],
        [16, 24, 60],
      ],
    }),
    /above 0/,
  );
  refused(
    altered({
      milliseconds: [
        [10, 9, 18],
        [16, 24, 60],
      ],
    }),
    /must not fall/,
  );
  refused(
    altered({
      milliseconds: [
        [10, 12, 18],
        [9, 24, 60],
      ],
    }),
    /must not fall/,
  );
  refused(altered({ padding: -1 }), /at least 0/);
  assert.is(parseCostTable(altered({ padding: 0.5 }), 'costs.json').padding, 0.5);
  refused(altered({ host: 'x' }), /"host" must be a number/);
  assert.is(parseCostTable(altered({ host: 0.004 }), 'costs.json').host, 0.004);
  refused(altered({ draft: -1 }), /"draft" must be a number/);
  assert.is(parseCostTable(altered({ draft: 0.02 }), 'costs.json').draft, 0.02);
  assert.throws(() => loadCostTable(join(folder, 'none.json')), /can't be read/);
});

test.run();
