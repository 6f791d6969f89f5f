/** The prefill queue against a simulated cache: an array of token ids a slot, which copies and rows write in order. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PrefillQueue } from '../../../src/engine/webgpu/prefill.js';

/** What stands in the cache; undefined: nothing that is known. */
class Cache {
  private readonly columns: (number | undefined)[][];

  constructor(slots: number) {
    this.columns = Array.from({ length: slots }, () => []);
  }

  of(slot: number): (number | undefined)[] {
    return this.columns[slot] as (number | undefined)[];
  }

  /** Everything of a batch; `most` rows are allowed. */
  apply(batch: NonNullable<ReturnType<PrefillQueue['next']>>, most: number): void {
    const before = this.columns.map((slot) => [...slot]);
    const sources = new Set(batch.copies.map(({ from }) => from));
    for (const { to } of batch.copies) assert.not(sources.has(to), 'no slot is read from and written to');
    for (const { from, to, columns } of batch.copies) {
      // in whichever order they are done
      assert.equal(
        this.of(from).slice(0, columns),
        before[from]?.slice(0, columns),
        'a copy changes no other',
      );
      const source = this.of(from).slice(0, columns);
      assert.is(source.length, columns, 'a copy reads columns that are in the cache');
      assert.not(source.includes(undefined), 'a copy reads columns that are known');
      source.forEach((id, column) => {
        this.of(to)[column] = id;
      });
    }
    const rows = batch.rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
    assert.ok(rows <= most, `${rows} rows of ${most}`);
    assert.is(new Set(batch.rows.map(({ slot }) => slot)).size, batch.rows.length, 'a slot once a batch');
    // rows are written behind all reading of the batch: a row sees its own slot's columns
    for (const { slot, tokens, cached } of batch.rows) {
      assert.ok(this.of(slot).length >= cached, 'the columns before a row are in the cache');
      tokens.forEach((id, i) => {
        this.of(slot)[cached + i] = id;
      });
    }
  }

  /** What a failed pass leaves. */
  spoil(): void {
    for (const slot of this.columns) slot.fill(undefined);
  }
}

interface Event {
  kind: 'admit' | 'release' | 'compute' | 'write' | 'fail';
  slot: number;
  base: number;
  shared: number;
  own: number;
}

const event: fc.Arbitrary<Event> = fc.record({
  kind: fc.constantFrom('admit', 'admit', 'admit', 'release', 'compute', 'write', 'fail'),
  slot: fc.nat(3),
  /** Prompts of one base begin alike. */
  base: fc.nat(1),
  shared: fc.oneof(fc.constantFrom(40, 80, 120), fc.nat(120)),
  own: fc.oneof(fc.constant(0), fc.nat(60)),
});

let unique = 1_000_000;
function prompt({ base, shared, own }: Event): Int32Array {
  return Int32Array.from({ length: shared + own }, (_, i) => (i < shared ? base * 1000 + i : unique++));
}

test('every admitted slot ends with exactly its ids, whatever comes between', () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.integer({ min: 1, max: 150 }),
      (events, rowsOfBatch) => {
        const queue = new PrefillQueue(4, rowsOfBatch);
        const cache = new Cache(4);
        const active = new Map<number, Int32Array>();
        const compute = () => {
          let batches = 0;
          for (let batch = queue.next(); batch !== undefined; batch = queue.next()) {
            cache.apply(batch, rowsOfBatch);
            assert.ok(++batches < 2000, 'the queue ends');
          }
          for (const [slot, ids] of active)
            assert.equal(cache.of(slot).slice(0, ids.length), [...ids], `${slot}`);
        };
        for (const drawn of events) {
          const { kind, slot } = drawn;
          if (kind === 'admit' && !active.has(slot)) {
            const ids = prompt(drawn);
            active.set(slot, ids);
            queue.add(slot, ids);
          } else if (kind === 'release' && active.delete(slot)) queue.remove(slot);
          else if (kind === 'compute') compute();
          else if (kind === 'write') {
            // decoding goes on behind the prompts of active slots, which needs them computed
            compute();
            for (const [at, ids] of active) cache.of(at)[ids.length] = unique++;
          } else if (kind === 'fail' && active.size > 0) {
            // a pass failed: the loop releases every slot
            queue.next();
            cache.spoil();
            queue.forget();
            for (const at of active.keys()) queue.remove(at);
            active.clear();
          }
        }
        compute();
      },
    ),
    { numRuns: 1500 },
  );
});

test('a shared prefix is computed once', () => {
  const queue = new PrefillQueue(4, 1000);
  const shared = Array.from({ length: 100 }, (_, i) => i);
  for (const slot of [0, 1, 2, 3]) queue.add(slot, Int32Array.from([...shared, 500 + slot, 600 + slot]));
  const first = queue.next();
  assert.equal(
    first?.rows.map(({ slot, tokens }) => [slot, tokens.length]),
    [[0, 102]],
  );
  const second = queue.next();
  assert.equal(
    second?.copies,
    [1, 2, 3].map((to) => ({ from: 0, to, columns: 100 })),
  );
  assert.equal(
    second?.rows.map(({ slot, tokens, cached }) => [slot, tokens.length, cached]),
    [1, 2, 3].map((slot) => [slot, 2, 100]),
  );
  assert.is(queue.next(), undefined);
});

test('the prompt of a slot that was released serves the next one there, and others', () => {
  const queue = new PrefillQueue(2, 1000);
  const ids = Int32Array.from({ length: 80 }, (_, i) => i);
  queue.add(0, ids);
  queue.next();
  queue.remove(0);
  queue.add(1, ids);
  assert.equal(queue.next(), { copies: [{ from: 0, to: 1, columns: 80 }], rows: [] });
  queue.add(0, ids.slice(0, 50));
  assert.is(queue.next(), undefined, 'everything is there already');
  queue.forget();
  queue.remove(1);
  queue.add(1, ids);
  assert.is(queue.next()?.rows[0]?.tokens.length, 80, 'nothing is taken from a cache that is not known');
});

test('short prefixes are computed anew, long prompts in parts', () => {
  const queue = new PrefillQueue(2, 30);
  queue.add(
    0,
    Int32Array.from({ length: 31 }, (_, i) => i),
  );
  queue.add(
    1,
    Int32Array.from({ length: 31 }, (_, i) => i),
  );
  const seen: [number, number][][] = [];
  for (let batch = queue.next(); batch !== undefined; batch = queue.next()) {
    assert.equal(batch.copies, []);
    seen.push(batch.rows.map(({ slot, tokens }) => [slot, tokens.length]));
  }
  assert.equal(seen, [
    [[0, 30]],
    [
      [0, 1],
      [1, 29],
    ],
    [[1, 2]],
  ]);
});

test.run();
