/** The step's tables say what a plain reading of the trees says. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PrefixCopy } from '../../../src/engine/webgpu/prefill.js';
import {
  type Move,
  type SequenceRows,
  type StepTables,
  stepSizes,
  stepTables,
} from '../../../src/engine/webgpu/tables.js';

const rowWords = 2;
const tileWords = 8;
const moveWords = 3;
const copyWords = 3;
const verdictWords = 3;

const tree = fc
  .array(fc.nat(), { minLength: 1, maxLength: 300, size: 'max' })
  .map((drawn) => Int32Array.from(drawn, (parent, i) => (i === 0 ? -1 : parent % i)));

const sequences: fc.Arbitrary<SequenceRows[]> = fc.array(
  fc
    .record({
      slot: fc.nat(100),
      cached: fc.nat(3000),
      parents: fc.option(tree, { nil: undefined }),
      count: fc.integer({ min: 1, max: 300 }),
      judged: fc.constantFrom(0, 0.4, 1),
      seed: fc.nat(1000),
    })
    .map(({ slot, cached, parents, count, judged, seed }) => {
      const rows = parents?.length ?? count;
      const tokens = Int32Array.from({ length: rows }, (_, i) => seed * 1000 + i);
      return { slot, cached, parents, tokens, verdicts: Math.round(rows * judged) };
    }),
  { maxLength: 6 },
);

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({ row: fc.nat(5000), slot: fc.nat(100), column: fc.nat(4000) }),
  { maxLength: 40 },
);

const copies: fc.Arbitrary<PrefixCopy[]> = fc.array(
  fc.record({ from: fc.nat(100), to: fc.nat(100), columns: fc.integer({ min: 1, max: 700 }) }),
  { maxLength: 6 },
);

const attention = fc.record({
  tileRows: fc.integer({ min: 1, max: 32 }),
  spans: fc.constantFrom<number[]>([], [64], [64, 128]),
  kvHeads: fc.integer({ min: 1, max: 8 }),
});

/** Reads the tables as the kernels do. */
function reader({ tables, starts, maskWords }: StepTables) {
  const words = (start: number, index: number, count: number) =>
    [...tables.subarray(start + index * count, start + (index + 1) * count)] as number[];
  return {
    row: (index: number) => words(0, index, rowWords),
    tile: (index: number) => words(starts.tiles, index, tileWords),
    move: (index: number) => words(starts.moves, index, moveWords),
    copy: (index: number) => words(starts.copies, index, copyWords),
    verdict: (index: number) => words(starts.verdicts, index, verdictWords),
    sees: (row: number, other: number) =>
      (((tables[starts.masks + row * maskWords + (other >> 5)] as number) >>> (other & 31)) & 1) === 1,
  };
}

/** Rows from a row up to the root; row i - 1 is the parent of row i where there is no tree. */
function ancestors(parents: Int32Array | undefined, row: number): number[] {
  const found: number[] = [];
  for (let at = row; at >= 0; at = parents === undefined ? at - 1 : (parents[at] as number)) found.push(at);
  return found;
}

test('rows, masks, verdicts, moves and copies', () => {
  fc.assert(
    fc.property(sequences, moves, attention, copies, (drawn, moved, plan, copied) => {
      const step = stepTables(drawn, moved, plan, copied);
      const read = reader(step);
      let first = 0;
      let verdict = 0;
      for (const { tokens, parents, cached, verdicts } of drawn) {
        tokens.forEach((token, i) => {
          const path = ancestors(parents, i);
          assert.equal(read.row(first + i), [token, cached + path.length - 1]);
          if (parents !== undefined) {
            const seen = Array.from(tokens.keys()).filter((other) => read.sees(first + i, other));
            assert.equal(seen, path.reverse());
          }
          const before = tokens.length - verdicts;
          if (i < before) return;
          // the root of what is judged has no parent there
          const above = Math.max(0, (parents === undefined ? i - 1 : (parents[i] as number)) - before);
          assert.equal(read.verdict(verdict + i - before), [first + i, verdict + above, token]);
        });
        first += tokens.length;
        verdict += verdicts;
      }
      assert.equal([step.rows, step.verdicts, step.moves], [first, verdict, moved.length]);
      moved.forEach(({ row, slot, column }, i) => {
        assert.equal(read.move(i), [row, slot, column]);
      });
      const blocks = copied.flatMap(({ from, to, columns }) =>
        Array.from({ length: Math.ceil(columns / 16) }, (_, block) => [from, to, block]),
      );
      assert.equal(
        Array.from({ length: step.copies }, (_, i) => read.copy(i)),
        blocks,
      );
    }),
    { numRuns: 60 },
  );
});

test('tiles hold every row once, and reach as far as their rows see', () => {
  fc.assert(
    fc.property(sequences, attention, (drawn, plan) => {
      const step = stepTables(drawn, [], plan);
      const read = reader(step);
      let first = 0;
      let tile = 0;
      for (const { tokens, parents, cached, slot } of drawn) {
        let next = first;
        while (next < first + tokens.length) {
          const [row, rows, ofSlot, columns, sequenceRow, seen, causal, spare] = read.tile(tile++);
          assert.equal([row, ofSlot, columns, sequenceRow, spare], [next, slot, cached, first, 0]);
          assert.ok((rows as number) >= 1 && (rows as number) <= plan.tileRows);
          next += rows as number;
          assert.is(causal, parents === undefined ? 1 : 0);
          assert.is(seen, parents === undefined ? next - first : tokens.length);
        }
        first += tokens.length;
        assert.is(next, first);
      }
      assert.is(step.tiles, tile);
    }),
    { numRuns: 100 },
  );
});

test('the parts of a divided attention reach every column', () => {
  fc.assert(
    fc.property(sequences, attention, (drawn, plan) => {
      const { splits, span: chosen } = stepTables(drawn, [], plan);
      assert.ok(splits >= 1);
      const span = plan.spans[chosen];
      if (span === undefined) return assert.ok(splits <= 16);
      // new rows begin at a multiple of 16 columns
      const ends = drawn.map(({ cached, tokens }) => Math.ceil(cached / 16) * 16 + tokens.length);
      for (const end of ends) assert.ok(splits * span >= end, `${splits} parts of ${span} for ${end}`);
      assert.ok((splits - 1) * span < Math.max(1, ...ends) + 16);
    }),
  );
});

test('columns go in long spans where enough workgroups are left', () => {
  const plan = { tileRows: 5, spans: [64, 128], kvHeads: 3 };
  const rows = { cached: 700, tokens: new Int32Array(1), parents: Int32Array.of(-1), verdicts: 1 };
  const divided = (slots: number) =>
    stepTables(
      Array.from({ length: slots }, (_, slot) => ({ slot, ...rows })),
      [],
      plan,
    );
  assert.equal([divided(8).span, divided(8).splits], [0, 12]);
  assert.equal([divided(64).span, divided(64).splits], [1, 6]);
});

test('tables stand one behind the other and fill the buffer', () => {
  fc.assert(
    fc.property(sequences, moves, attention, (drawn, moved, plan) => {
      const { rows, tiles, verdicts, starts, maskWords, tables } = stepTables(drawn, moved, plan);
      const longest = Math.max(0, ...drawn.map(({ parents }) => parents?.length ?? 0));
      assert.is(maskWords, Math.max(1, Math.ceil(longest / 32)));
      assert.is(starts.tiles, rows * rowWords);
      assert.is(starts.moves, starts.tiles + tiles * tileWords);
      assert.is(starts.masks, starts.moves + moved.length * moveWords);
      assert.is(starts.verdicts, starts.masks + rows * maskWords);
      assert.is(tables.length, starts.verdicts + verdicts * verdictWords);
    }),
  );
});

test('sizes stand in the order of struct Sizes', () => {
  const plan = { tileRows: 8, spans: [], kvHeads: 2 };
  const rows = {
    slot: 3,
    cached: 5,
    tokens: Int32Array.of(7, 8),
    parents: Int32Array.of(-1, 0),
    verdicts: 2,
  };
  const step = stepTables([rows], [{ row: 1, slot: 3, column: 4 }], plan, [{ from: 0, to: 1, columns: 16 }]);
  const sizes = stepSizes(step, { capacity: 256, current: 40, previous: 0 }, 5);
  // rows, tiles, moves, verdicts; where tiles, moves, masks, verdicts begin; ...; copies and where they begin
  assert.equal([...sizes], [2, 1, 1, 2, 4, 12, 18, 20, 1, 1, 256, 40, 0, 5, 1, 15]);
});

test('no sequences: only moves', () => {
  const plan = { tileRows: 8, spans: [], kvHeads: 2 };
  const step = stepTables([], [{ row: 9, slot: 1, column: 2 }], plan);
  assert.equal([step.rows, step.tiles, step.verdicts, step.splits], [0, 0, 0, 1]);
  assert.equal([...step.tables], [9, 1, 2]);
});

test.run();
