import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hidden, KvCache } from '../../src/engine/cache.js';

const shape = { arrays: 2, kvHeads: 2, headSize: 3 };
const slots = 4;

/** The naive model: each sequence is the list of its tokens' marks. */
type Marks = number[][];

/** What the cache holds for a mark: distinct in every array, head and element. */
const value = (mark: number, array: number, head: number, i: number) =>
  mark * 100 + array * 10 + head * 3 + i;

/** Writes [kvHeads, width, headSize] of one sequence at `offset`. */
function fill(
  to: Float32Array,
  array: number,
  offset: number,
  width: number,
  marks: readonly number[],
  at = 0,
) {
  for (let head = 0; head < shape.kvHeads; head++) {
    marks.forEach((mark, column) => {
      for (let i = 0; i < shape.headSize; i++) {
        to[offset + (head * width + at + column) * shape.headSize + i] = value(mark, array, head, i);
      }
    });
  }
}

/** The columns that the bias lets through hold the sequences' tokens, in every array and head. */
function check(cache: KvCache, sequences: Marks): void {
  assert.is(cache.batch, sequences.length);
  const { width } = cache;
  const past = cache.past();
  sequences.forEach((marks, index) => {
    assert.is(cache.length(index), marks.length);
    const mask = cache.mask(index);
    assert.is(mask.length, width);
    const seen = [...mask.keys()].filter((column) => mask[column] === 0);
    assert.is(mask.filter((bias) => bias === hidden).length, width - seen.length);
    past.forEach((array, a) => {
      const size = shape.kvHeads * width * shape.headSize;
      assert.is(array.length, sequences.length * size);
      const expected = new Float32Array(shape.kvHeads * marks.length * shape.headSize);
      fill(expected, a, 0, marks.length, marks);
      const found = Array.from({ length: shape.kvHeads }, (_, head) =>
        seen.flatMap((column) => {
          const start = index * size + (head * width + column) * shape.headSize;
          return Array.from(array.subarray(start, start + shape.headSize));
        }),
      );
      assert.equal(found.flat(), Array.from(expected));
    });
  });
}

type Command =
  | { type: 'append'; length: number }
  | { type: 'remove'; at: number }
  | { type: 'step'; rows: number; keep: number[] };
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('append' as const), length: fc.oneof(fc.nat(3), fc.nat(90)) }),
  fc.record({ type: fc.constant('remove' as const), at: fc.nat(10) }),
  fc.record({
    type: fc.constant('step' as const),
    rows: fc.integer({ min: 1, max: 20 }),
    keep: fc.array(fc.nat(), { minLength: slots, maxLength: slots }),
  }),
);

function apply(cache: KvCache, sequences: Marks, command: Command, next: () => number): void {
  if (command.type === 'append') {
    if (sequences.length === slots) return;
    const marks = Array.from({ length: command.length }, next);
    const arrays = Array.from({ length: shape.arrays }, (_, a) => {
      const array = new Float32Array(shape.kvHeads * marks.length * shape.headSize);
      fill(array, a, 0, marks.length, marks);
      return array;
    });
    cache.append(arrays, marks.length);
    sequences.push(marks);
  } else if (command.type === 'remove') {
    if (sequences.length === 0) return;
    const index = command.at % sequences.length;
    cache.remove(index);
    const last = sequences.pop() as number[];
    if (index < sequences.length) sequences[index] = last;
  } else step(cache, sequences, command.rows, command.keep, next);
}

/** The engine's step: old columns copied, new ones written beside them, some of them kept. */
function step(
  cache: KvCache,
  sequences: Marks,
  rows: number,
  keep: readonly number[],
  next: () => number,
): void {
  if (sequences.length === 0) return;
  const written = cache.beginStep(rows);
  const [width, past] = [cache.width, cache.past()];
  const fresh = sequences.map(() => Array.from({ length: rows }, next));
  written.forEach((to, a) => {
    const from = past[a] as Float32Array;
    for (let part = 0; part < sequences.length * shape.kvHeads; part++) {
      const old = from.subarray(part * width * shape.headSize, (part + 1) * width * shape.headSize);
      to.set(old, part * (width + rows) * shape.headSize);
    }
    fresh.forEach((marks, index) => {
      const offset = index * shape.kvHeads * (width + rows) * shape.headSize;
      fill(to, a, offset, width + rows, marks, width);
    });
  });
  cache.endStep(rows);
  sequences.forEach((marks, index) => {
    const bits = keep[index] as number;
    const offsets = Array.from({ length: rows }, (_, i) => i).filter(
      (i) => i === 0 || ((bits >> i) & 1) === 1,
    );
    cache.keep(index, offsets, rows);
    marks.push(...offsets.map((offset) => (fresh[index] as number[])[offset] as number));
  });
}

test('any order of appends, steps and removals leaves each sequence its own tokens', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 30 }), fc.constantFrom(0, 5, 48), (list, slack) => {
      const cache = new KvCache(shape, slots, slack);
      const sequences: Marks = [];
      let mark = 0;
      for (const command of list) {
        apply(cache, sequences, command, () => ++mark);
        check(cache, sequences);
      }
    }),
    { numRuns: 150 },
  );
});

test('the first sequence may have nothing cached: a prompt of one token', () => {
  const cache = new KvCache(shape, slots);
  const sequences: Marks = [];
  let mark = 0;
  apply(cache, sequences, { type: 'append', length: 0 }, () => ++mark);
  apply(cache, sequences, { type: 'step', rows: 3, keep: [0b101, 0, 0, 0] }, () => ++mark);
  check(cache, sequences);
  assert.equal(sequences, [[1, 3]]);
});

test.run();
