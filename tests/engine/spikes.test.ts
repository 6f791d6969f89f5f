/** Times that stand out of a made-up cost table; no engine takes part. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { settle, spikes } from '../../src/engine/spikes.js';

const batch = [1, 2, 4, 8, 16];
const rows = [1, 2, 4, 8, 16, 32, 64];
/** A constant, a part for each row, and one for each sequence: as CPUs and GPUs have it. */
const table = (fixed: number, row: number, sequence: number) =>
  batch.map((b) => rows.map((r) => fixed + row * b * r + sequence * b));
const copy = (times: readonly (readonly number[])[]) => times.map((line) => [...line]);
const cpu = table(2, 0.06, 0.1);

function lengthened(times: number[][], cells: readonly (readonly [b: number, r: number])[], factor: number) {
  const disturbed = copy(times);
  for (const [b, r] of cells) (disturbed[b] as number[])[r] = factor * (times[b]?.[r] as number);
  return disturbed;
}

for (const [name, times] of [
  ['a constant dominates', table(30, 0.001, 0)],
  ['rows dominate', table(0.1, 1, 0)],
  ['all have a part', cpu],
  ['lines that end early', cpu.map((line, b) => line.slice(0, rows.length - b))],
  ['a step where a kernel takes another tile', [[1, 1, 1, 1, 2, 2, 4]]],
  ['a single cell', [[5]]],
] as const) {
  test(`nothing stands out: ${name}`, () => assert.equal(spikes(batch, rows, times), []));
}

test('the cell of 16 texts with 64 rows at 239.9 beside 63.1 for 32 rows', () => {
  const line = [5.9, 7.7, 11.4, 18.6, 33.1, 63.1, 239.9];
  assert.equal(spikes([1], rows, [line]), [{ b: 0, r: 6 }]);
  assert.equal(spikes([1], rows, [[...line.slice(0, 6), 125]]), []);
});

test('what takes longer than more rows or more sequences stands out', () => {
  assert.equal(spikes([1], [1, 2, 4], [[4, 3, 6]]), [{ b: 0, r: 0 }]);
  assert.equal(spikes([1, 2], [1], [[4], [3]]), [{ b: 0, r: 0 }]);
});

test('cells that were lengthened, also side by side, come out as they are; what is measured again is little', async () => {
  const cell = fc.tuple(fc.nat(batch.length - 1), fc.nat(rows.length - 1));
  const factor = fc.double({ min: 4, max: 100, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { minLength: 1, maxLength: 2 }), factor, async (cells, times) => {
      let measured = 0;
      const settled = await settle(batch, rows, lengthened(cpu, cells, times), async (b, places) => {
        measured += places.length;
        return places.map((r) => cpu[b]?.[r] as number);
      });
      assert.equal(settled, cpu);
      assert.ok(measured <= 20, `${measured} cells`);
    }),
  );
});

test('what stands out and is so stays; a time that is measured again and longer is forgotten; without time nothing is done', async () => {
  const kink = lengthened(cpu, [[4, 6]], 10);
  let rounds = 0;
  const settled = await settle(batch, rows, kink, async (b, places) => {
    rounds++;
    return places.map((r) => 2 * (kink[b]?.[r] as number));
  });
  assert.equal(settled, kink);
  assert.ok(rounds > 0 && rounds < 10, `${rounds} rounds`);
  const never = async () => assert.unreachable();
  assert.equal(await settle(batch, rows, kink, never as never, () => false), kink);
});

test.run();
