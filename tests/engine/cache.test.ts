import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KvCache } from '../../src/engine/cache.js';

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

/** The first columns of each sequence hold its tokens, in every array and head. */
function check(cache: KvCache, sequences: Marks): void {
  assert.is(cache.batch, sequences.length);
  const { width } = cache;
  const past = cache.past();
  sequences.forEach((marks, index) => {
    assert.is(cache.length(index), marks.length);
    assert.ok(marks.length <= width);
    past.forEach((array, a) => {
      const size = shape.kvHeads * width * shape.headSize;
      assert.is(array.length, sequences.length * size);
      const expected = new Float32Array(shape.kvHeads * marks.length * shape.headSize);
      fill(expected, a, 0, marks.length, marks);
      const found = Array.from({ length: shape.kvHeads }, (_, head) => {
        const start = index * size + head * width * shape.headSize;
        return Array.from(array.subarray(start, start + marks.length * shape.headSize));
      });
      assert.equal(found.flat(), Array.from(expected));
    });
  });
  const longest = Math.max(0, ...sequences.map((marks) => marks.length));
  assert.ok(width <= longest + 3 * 32, `${width} columns for ${longest} tokens`);
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

/** The engine's step: new rows of all sequences come in one array, some of them are kept. */
function step(
  cache: KvCache,
  sequences: Marks,
  rows: number,
  keep: readonly number[],
  next: () => number,
): void {
  const fresh = sequences.map(() => Array.from({ length: rows }, next));
  const arrays = Array.from({ length: shape.arrays }, (_, a) =>
    Float32Array.from(
      fresh
        .flat()
        .flatMap((mark) =>
          Array.from({ length: shape.kvHeads * shape.headSize }, (_, at) =>
            value(mark, a, Math.floor(at / shape.headSize), at % shape.headSize),
          ),
        ),
    ),
  );
  sequences.forEach((marks, index) => {
    const bits = keep[index] as number;
    const offsets = Array.from({ length: rows }, (_, i) => i).filter(
      (i) => i === 0 || ((bits >> i) & 1) === 1,
    );
    const kept = offsets.map((offset) => index * rows + offset);
    cache.keep(index, arrays, kept);
    marks.push(...offsets.map((offset) => (fresh[index] as number[])[offset] as number));
  });
}

test('any order of appends, steps and removals leaves each sequence its own tokens', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 30 }), (list) => {
      const cache = new KvCache(shape, slots);
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
