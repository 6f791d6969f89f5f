/** Rules for drafts of texts that are decided for by themselves, against every rule and every pair of drafts. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasOwnBudgets } from '../../src/decode/budget.js';
import { bestLimit, OwnBudgets } from '../../src/decode/own-budget.js';
import { type CostTable, stepMilliseconds, withHost } from '../../src/engine/cost-table.js';
import { buildTrie } from '../../src/pool/build.js';
import type { DraftProfile } from '../../src/pool/profile.js';
import { Pool } from '../../src/pool/trie.js';
import { costTables, cheapAlone as table } from '../engine/cost-tables.js';

/** Chances that lie between those that rules are made of. */
const between = fc.integer({ min: 0, max: 12 }).map((power) => 0.9 ** (power + 0.5));
const profiles = fc.array(
  fc.array(between, { maxLength: 5 }).map((gains) => Float64Array.from(gains).sort().reverse()),
  { minLength: 1, maxLength: 4 },
);

/** Tokens a millisecond of steps of two texts, each with any of the drafts. */
function speed(profile: DraftProfile, table: CostTable, nodes: number, least: number): number {
  const kept = profile.map((gains) => gains.slice(0, nodes).filter((gain) => gain >= least));
  let tokens = 0;
  let time = 0;
  for (const one of kept) {
    for (const other of kept) {
      const rows = one.length + other.length;
      const empty = 2 * Math.max(one.length, other.length) - rows;
      tokens += [...one, ...other].reduce((sum, gain) => sum + gain, 2);
      time += empty * (table.padding ?? 0);
    }
  }
  const mean = kept.reduce((sum, { length }) => sum + length, 0) / kept.length;
  // each draft is made, whatever is kept of it
  const drafts = mean === 0 ? 0 : 2 * (table.draft ?? 0);
  return tokens / (time + kept.length ** 2 * (stepMilliseconds(withHost(table), 2, 1 + mean) + drafts));
}

/** The largest batch is two texts. */
const tables = fc
  .tuple(costTables, fc.constantFrom(0, 1, 40), fc.constantFrom(0, 5))
  .map(([{ rows, milliseconds }, padding, draft]): CostTable => {
    const ends = [milliseconds[0] ?? [], milliseconds.at(-1) ?? []];
    return { batch: [1, 2], rows, milliseconds: ends, padding, draft };
  });

test('no rule of a least chance and a most of rows brings more tokens a millisecond; none that bring hardly more than no drafts', () => {
  fc.assert(
    fc.property(profiles, tables, fc.integer({ min: 0, max: 6 }), (profile, table, nodes) => {
      const limit = bestLimit(profile, table, nodes);
      assert.ok(limit.nodes <= nodes);
      const plain = speed(profile, table, 0, 1);
      const reached = speed(profile, table, limit.nodes, limit.minPathProbability);
      assert.ok(limit.nodes === 0 || reached > 1.1 * plain * (1 - 1e-6), 'drafts that hardly pay');
      for (let most = 0; most <= nodes; most++) {
        for (const least of [1, ...profile.flatMap((gains) => [...gains])]) {
          const other = speed(profile, table, most, least);
          const isEnough = limit.nodes > 0 || other > 1.1 * plain * (1 + 1e-6);
          assert.ok(
            !isEnough || reached >= other * (1 - 1e-6),
            `${reached} against ${other} with ${most}, ${least}`,
          );
        }
      }
    }),
  );
});

test('rows that are cheap for one text are none of a table for sixteen', () => {
  const profile = [Float64Array.of(0.5, 0.4, 0.3, 0.2)];
  assert.is(bestLimit(profile, { ...table, batch: [1], milliseconds: [[10, 12]] }, 63).nodes, 4);
  assert.is(bestLimit(profile, table, 63).nodes, 0);
});

test('what drafts take to be made, and a tenth more than plain decoding, has to be brought by their rows', () => {
  // a row that comes in four of ten drafts, for 10% of a step: 1.27 times as fast
  const profile = [Float64Array.of(0.4)];
  const costs = { ...table, batch: [1], milliseconds: [[10, 18]], host: 0 };
  assert.is(bestLimit(profile, costs, 63).nodes, 1);
  assert.is(bestLimit(profile, { ...costs, draft: 1 }, 63).nodes, 1, '1.17 times');
  assert.is(bestLimit(profile, { ...costs, draft: 2 }, 63).nodes, 0, '1.08 times');
});

test('texts of a kind share a rule by their entity type; where it is rare that of all texts, without pools the usual one', () => {
  const cheap = { ...table, batch: [1], milliseconds: [[10, 11]] };
  const budgets = new OwnBudgets({ costs: cheap, nodes: 63 });
  const drafts = (count: number, ...gains: number[]) =>
    Array.from({ length: count }, () => Float64Array.from(gains));
  const relaxed = {
    profile: drafts(50, 0.9, 0.8),
    profileBy: new Map([
      ['item', drafts(40, 0.9, 0.8, 0.7)],
      ['user', drafts(3, 0.9)],
    ]),
  };
  const columns = buildTrie([Int32Array.of(1, 2)], 3);
  const shared = new Pool(columns, 3, { relaxed });
  const limit = (entityType: string) =>
    budgets.of({ shared, cohort: new Pool(columns, 3, {}, { entityType }) });
  assert.is(limit('item').limit(1).nodes, 3);
  assert.is(limit('user').limit(1).nodes, 2);
  assert.is(limit('user'), limit('user'), 'nothing is learnt by it');
  assert.is(budgets.of({ shared }).limit(1).nodes, 2);
  const few = new Pool(columns, 3, { relaxed: { profile: [new Float64Array(0)] } });
  assert.is(budgets.of({ shared: few }), budgets.of({}), 'a single draft says nothing');
  assert.ok(budgets.of({}).limit(1).nodes > 0);
  assert.is(new OwnBudgets({ nodes: 0 }).of({ shared }).limit(1).nodes, 0);
  assert.throws(() => new OwnBudgets({ nodes: 5 }), /without a cost table/);
});

test('only relaxed texts that are to be reproducible, with rows that are weighed, have a rule', () => {
  const relaxed = { mode: 'relaxed', reproducible: true } as const;
  const cases: [Parameters<typeof hasOwnBudgets>[0], boolean][] = [
    [relaxed, true],
    [{ ...relaxed, reproducible: false }, false],
    [{ ...relaxed, minPathProbability: 0.1 }, false],
    [{ ...relaxed, mode: 'greedy' }, false],
    [{ ...relaxed, mode: 'sample' }, false],
    [{ ...relaxed, mode: 'autoregressive' }, false],
  ];
  for (const [rules, expected] of cases) assert.is(hasOwnBudgets(rules), expected, JSON.stringify(rules));
});

test.run();
