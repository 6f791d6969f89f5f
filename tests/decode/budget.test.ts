/** The choice of rows against trying every choice there is. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Budget, budgetFor, CostBudget, type StepReport, worthwhile } from '../../src/decode/budget.js';
import { type CostTable, stepMilliseconds, withHost } from '../../src/engine/cost-table.js';
import { costTables, cheapAlone as table } from '../engine/cost-tables.js';

const gainsOf = (most: number) =>
  fc
    .array(fc.double({ min: 0.001, max: 1, noNaN: true }), { maxLength: most })
    .map((values) => Float64Array.from(values).sort().reverse());

const paddedTables = fc
  .tuple(costTables, fc.constantFrom(0, 1, 30, 400))
  .map(([table, padding]) => ({ ...table, padding }));

const convexTables = fc
  .array(fc.integer({ min: 1, max: 50 }), { minLength: 8, maxLength: 8 })
  .map((slopes): CostTable => {
    const line = [10];
    for (const slope of slopes.sort((a, b) => a - b)) line.push((line.at(-1) as number) + slope / 10);
    return { batch: [1], rows: line.map((_, row) => row + 1), milliseconds: [line] };
  });

function chosen(budget: Budget, gains: readonly Float64Array[]): number[] {
  return budget.choose(gains).map(({ rows }) => rows);
}

/** Tokens and time of a step that keeps so many rows of each draft. */
function outcome(table: CostTable, gains: readonly Float64Array[], kept: readonly number[]) {
  let tokens = gains.length;
  gains.forEach((rows, i) => {
    for (const gain of rows.subarray(0, kept[i])) tokens += gain;
  });
  const rows = kept.reduce((sum, count) => sum + count, 0);
  const empty = gains.length * Math.max(...kept) - rows;
  const time =
    stepMilliseconds(withHost(table), gains.length, 1 + rows / gains.length) + empty * (table.padding ?? 0);
  return { tokens, time };
}

function choices([first, ...others]: readonly Float64Array[]): number[][] {
  if (first === undefined) return [[]];
  const rest = choices(others);
  return Array.from({ length: first.length + 1 }, (_, kept) => rest.map((tail) => [kept, ...tail])).flat();
}

test('the first step has the most tokens a millisecond of all choices, or rows that are worthwhile by themselves', () => {
  fc.assert(
    fc.property(paddedTables, fc.array(gainsOf(4), { minLength: 1, maxLength: 3 }), (table, gains) => {
      const plain = stepMilliseconds(withHost(table), gains.length, 1) / gains.length;
      const all = choices(gains).map((kept) => outcome(table, gains, kept));
      const best = Math.max(...all.map(({ tokens, time }) => (tokens / time) * plain));
      const gained = ({ tokens, time }: { tokens: number; time: number }) =>
        tokens - (Math.max(worthwhile, best) * time) / plain;
      const value = gained(outcome(table, gains, chosen(new CostBudget(table, 63), gains)));
      // a difference as small as the rounding of sums isn't weighed
      for (const other of all) assert.ok(value >= gained(other) - 1e-6 * gains.length, `${value}`);
    }),
  );
});

test('repeated steps reach the most tokens a millisecond of all choices for steps of two kinds', () => {
  // a step of one kind is worth rows that one of the other isn't: no choice by single steps finds that
  const kinds = fc.tuple(gainsOf(5), gainsOf(5));
  fc.assert(
    fc.property(costTables, kinds, (table, both) => {
      const budget = new CostBudget(table, 63);
      let reached = 0;
      for (let round = 0; round < 400; round++) {
        const sum = { tokens: 0, time: 0 };
        for (const gains of both) {
          const [kept = 0] = chosen(budget, [gains]);
          const step = outcome(table, [gains], [kept]);
          sum.tokens += step.tokens;
          sum.time += step.time;
          budget.record(reportOf(gains, kept));
        }
        reached = sum.tokens / sum.time;
      }
      const plain = 1 / outcome(table, [new Float64Array(0)], [0]).time;
      for (const [first = 0, second = 0] of choices(both)) {
        const a = outcome(table, [both[0]], [first]);
        const b = outcome(table, [both[1]], [second]);
        const other = (a.tokens + b.tokens) / (a.time + b.time);
        // less than that isn't tried for
        if (other < worthwhile * plain && (first > 0 || second > 0)) continue;
        // what was seen last counts most, so the rate that is aimed at follows the steps a little
        assert.ok(reached >= other * 0.98, `${reached} against ${other} with ${first}, ${second}`);
      }
    }),
    { numRuns: 100 },
  );
});

/** A step whose rows were accepted as estimated. */
function reportOf(gains: Float64Array, kept: number): StepReport {
  const expected = gains.subarray(0, kept).reduce((sum, gain) => sum + gain, 0);
  return { sequences: 1, draftRows: kept, longest: kept, expected, accepted: expected, tokens: 1 + expected };
}

test('where each row costs more than the one before the limit leaves out none that would have been chosen', () => {
  fc.assert(
    fc.property(
      convexTables,
      gainsOf(8),
      fc.array(fc.nat({ max: 4 }), { maxLength: 20 }),
      (any, gains, tokens) => {
        const budget = new CostBudget(any, 63);
        const usual = 2;
        for (const accepted of tokens) {
          budget.choose([gains]);
          budget.record({
            sequences: 1,
            draftRows: usual,
            longest: usual,
            expected: 2,
            accepted,
            tokens: accepted + 1,
          });
        }
        const { minPathProbability } = budget.limit(1);
        const [kept = 0] = chosen(budget, [gains]);
        if (kept <= usual) return;
        assert.ok(gains.subarray(0, kept).every((gain) => gain >= minPathProbability * (1 - 1e-9)));
      },
    ),
  );
});

test('rows that one piece of a table makes free are not drafted for without end', () => {
  const uneven = { batch: [1], rows: [1, 8, 32, 64], milliseconds: [[10, 20, 20, 40]] };
  const budget = new CostBudget(uneven, 63);
  budget.choose([Float64Array.of(0.9)]);
  budget.record({ sequences: 1, draftRows: 1, longest: 1, expected: 0.9, accepted: 1, tokens: 2 });
  assert.ok(budget.limit(1).minPathProbability > 0.02);
});

test('a row takes the host its time, where the model does it for nothing', () => {
  const free: CostTable = {
    batch: [1, 64],
    rows: [1, 64],
    milliseconds: [
      [4, 4],
      [8, 8],
    ],
  };
  const kept = (texts: number, gain: number) =>
    chosen(
      new CostBudget(free, 63),
      Array.from({ length: texts }, () => Float64Array.of(gain)),
    )[0];
  assert.is(kept(1, 0.01), 1);
  assert.is(kept(64, 0.01), 0, 'two microseconds are more than a hundredth of an eighth of a millisecond');
  assert.is(kept(64, 0.1), 1);
  assert.ok(new CostBudget(free, 63).limit(64).minPathProbability > 0.01);
});

test('a free row more does not make drafts as large as can be', () => {
  const bent = { batch: [1], rows: [1, 2, 64], milliseconds: [[10, 10, 72]] };
  const budget = new CostBudget(bent, 63);
  assert.ok(budget.limit(1).minPathProbability < 0.001, 'nothing was seen');
  budget.choose([Float64Array.of(0.9, 0.8)]);
  budget.record({ sequences: 1, draftRows: 2, longest: 2, expected: 1.7, accepted: 2, tokens: 3 });
  assert.ok(budget.limit(1).minPathProbability > 0.1);
});

test('rows that are cheap for one text are too expensive for sixteen', () => {
  const gains = Float64Array.of(0.5, 0.4, 0.3, 0.2);
  assert.equal(chosen(new CostBudget(table, 63), [gains]), [4]);
  assert.equal(
    chosen(
      new CostBudget(table, 63),
      Array.from({ length: 16 }, () => gains),
    ),
    new Array(16).fill(0),
  );
});

test('estimates that prove wrong are trusted less, and again after a while', () => {
  const budget = new CostBudget(table, 63);
  const gains = Float64Array.of(0.2, 0.1, 0.1);
  assert.equal(chosen(budget, [gains]), [3]);
  const { minPathProbability: before } = budget.limit(1);
  for (let step = 0; step < 100; step++)
    budget.record({ sequences: 1, draftRows: 3, longest: 3, expected: 2, accepted: 0, tokens: 1 });
  assert.equal(chosen(budget, [gains]), [0]);
  assert.ok(budget.limit(1).minPathProbability > 2 * before);
  for (let step = 0; step < 300; step++)
    budget.record({ sequences: 1, draftRows: 0, longest: 0, expected: 0, accepted: 0, tokens: 1 });
  assert.equal(chosen(budget, [gains]), [3]);
});

test('a long draft that leaves places empty beside it must be worth them', () => {
  const padded = { batch: [16], rows: [1, 9], milliseconds: [[16, 17]], padding: 0.05 };
  const cheap: CostTable = {
    ...padded,
    batch: [1, 16],
    milliseconds: [
      [16, 17],
      [16, 17],
    ],
  };
  const long = Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5);
  const none = new Float64Array(0);
  const one = [long, ...new Array(15).fill(none)];
  const rows = (table: CostTable, gains: Float64Array[]) =>
    chosen(new CostBudget(table, 63), gains)[0] as number;
  assert.is(rows({ ...cheap, padding: 0 }, one), 5);
  assert.ok(rows(cheap, one) < 3);
  assert.is(rows(cheap, new Array(16).fill(long)), 5, 'nothing stays empty');
  const falling = Float64Array.of(0.9, 0.001);
  assert.is(rows({ ...cheap, padding: 9 }, [falling]), 1, 'nothing else is in the step');
});

test('sizes that were asked for are kept to, without a table', () => {
  const rules = { mode: 'greedy', nodes: 5, minPathProbability: 0.2, reproducible: true } as const;
  const budget = budgetFor(rules);
  assert.equal(budget.limit(3), { nodes: 5, minPathProbability: 0.2 });
  assert.equal(chosen(budget, [Float64Array.of(0.5, 0.21), new Float64Array(0)]), [2, 0]);
  assert.is(budgetFor({ ...rules, mode: 'autoregressive' }).limit(1).nodes, 0);
});

test('what a draft is worth: its tokens beyond those of plain decoding in the time of its rows and of making it', () => {
  // plain steps of 4 texts take 4 ms, a row a quarter of one more
  const table = {
    batch: [1, 4],
    rows: [1, 3],
    milliseconds: [
      [1, 3],
      [4, 6],
    ],
    host: 0,
    draft: 0.5,
  };
  const gains = [Float64Array.of(1, 0.9), Float64Array.of(0.99), new Float64Array(0), Float64Array.of(0.1)];
  const budget = new CostBudget(table, 63);
  const [first, second, ...others] = budget.choose(gains);
  assert.equal(
    [first, second, ...others].map((kept) => kept?.rows),
    [2, 1, 0, 0],
  );
  assert.equal(
    others.map(({ worth }) => worth),
    [0, 0],
  );
  // 4 + 2.89 tokens in 4.75 ms, of which plain decoding has 4.75
  const speedup = 6.89 / 4.75;
  assert.ok(Math.abs((first?.worth ?? 0) - (1.9 - speedup * (0.5 + 0.5))) < 1e-9, `${first?.worth}`);
  assert.ok(Math.abs((second?.worth ?? 0) - (0.99 - speedup * (0.25 + 0.5))) < 1e-9, `${second?.worth}`);
});

test.run();
