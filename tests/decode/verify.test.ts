import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AcceptRule, tokensToSee, verify } from '../../src/decode/verify.js';
import { type Case, cases, type RowVerdict, ranked, treeOf, verdictsOf } from './trees.js';

const relaxed: AcceptRule = { mode: 'relaxed', topK: 2, minProb: 0.1, divergenceBudget: 4, minGain: 0 };
const greedy: AcceptRule = { ...relaxed, mode: 'greedy' };

function run(input: Case, rule: AcceptRule, spent = 0, first = 0, rest = 1) {
  return verify(treeOf(input), verdictsOf(input, tokensToSee(rule), first), rule, { spent, rest });
}

/** Every path from row 0, each as its rows. */
function rootPaths({ parents }: Case): number[][] {
  return parents.map((_, row) => {
    const path: number[] = [];
    for (let at = row; at >= 0; at = parents[at] as number) path.unshift(at);
    return path;
  });
}

/** What each row of a path costs, or undefined when the rule refuses it. Written after METHOD, not after verify(). */
function costsOf(
  input: Case,
  path: readonly number[],
  rule: AcceptRule,
  spent: number,
): number[] | undefined {
  const costs = [0];
  let total = spent;
  for (let i = 1; i < path.length; i++) {
    const row = path[i] as number;
    const best = ranked(input.rows[path[i - 1] as number] as RowVerdict);
    const rank = best.findIndex(({ token }) => token === input.tokens[row]);
    if (rank > 0) {
      if (rule.mode === 'greedy' || rank >= rule.topK) return undefined;
      const { probability } = best[rank] as (typeof best)[number];
      const cost = Math.log((best[0] as (typeof best)[number]).probability / probability);
      total += cost;
      if (probability < rule.minProb || total > rule.divergenceBudget) return undefined;
      costs.push(cost);
    } else costs.push(0);
  }
  return costs;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const rules = fc.record({
  mode: fc.constantFrom('greedy' as const, 'relaxed' as const),
  topK: fc.integer({ min: 1, max: 5 }),
  // off the grid of possible values, so that rounding to float32 decides nothing
  minProb: fc.constantFrom(0, 0.1003, 0.2007, 0.4001),
  divergenceBudget: fc.constantFrom(0, 0.3701, 0.8803, 2.1301, 100.1),
  minGain: fc.constantFrom(0, 1, 2, 1.5),
});

const spendings = fc.constantFrom(0, 0.2309, 1.1107);
test('the accepted path is the best of all root paths', () => {
  fc.assert(
    fc.property(cases, rules, spendings, fc.nat(3), fc.constantFrom(1, 0.5, 0), (...given) => {
      const [input, rule, spent, first, rest] = given;
      const candidates = rootPaths(input)
        .map((path) => ({ path, costs: costsOf(input, path, rule, spent) }))
        .filter(
          (candidate): candidate is { path: number[]; costs: number[] } => candidate.costs !== undefined,
        );
      const worth = ({ path, costs }: (typeof candidates)[number]) =>
        path.length - rest * rule.minGain * costs.filter((cost) => cost > 0).length;
      const most = Math.max(...candidates.map(worth));
      const long = candidates.filter((candidate) => worth(candidate) === most);
      const least = Math.min(...long.map(({ costs }) => sum(costs)));
      const result = run(input, rule, spent, first, rest);
      const chosen = long.find(({ path }) => `${path}` === `${result.path}`);
      assert.ok(chosen, `${result.path} is acceptable and among the best`);
      assert.ok(sum(chosen?.costs as number[]) - least < 1e-5, 'the least divergence of the best');
      assert.is(result.costs.length, result.path.length);
      result.costs.forEach((cost, i) => {
        assert.ok(Math.abs(cost - (chosen?.costs[i] as number)) < 1e-5, `cost ${i}`);
      });
      const last = input.rows[result.path[result.path.length - 1] as number] as RowVerdict;
      assert.is(result.next, ranked(last)[0]?.token);
    }),
    { numRuns: 500 },
  );
});

test('relaxed with only the argmax, or without a budget for others, is greedy', () => {
  fc.assert(
    fc.property(cases, (input) => {
      const expected = run(input, greedy);
      const { path, costs, next } = run(input, { ...relaxed, topK: 1 });
      assert.equal(
        { path, costs, next },
        { path: expected.path, costs: expected.costs, next: expected.next },
      );
    }),
  );
});

/** Logits of tokens 0, 1, 2, ... with these probabilities. */
const row = (...probabilities: number[]): RowVerdict =>
  probabilities.map((probability, token) => [token, Math.log(probability)]);
const sure = row(0.97, 0.02, 0.01);
/** One draft token below the root. */
const single = (token: number, ...probabilities: number[]): Case => ({
  tokens: [9, token],
  parents: [-1, 0],
  rows: [row(...probabilities), sure],
});
/** A chain of the second-best token, ln 2 nats each. */
const chain = (length: number): Case => ({
  tokens: [9, ...Array<number>(length).fill(1)],
  parents: Array.from({ length: length + 1 }, (_, i) => i - 1),
  rows: Array.from({ length: length + 1 }, () => row(0.6, 0.3, 0.1)),
});
const ln2 = Math.LN2;

const table: [string, Case, Partial<AcceptRule>, number, number[]][] = [
  ['the argmax, however improbable', single(0, 0.05, 0.04, 0.03), { minProb: 0.9 }, 0, [0, 1]],
  ['the argmax when the budget is spent', single(0, 0.6, 0.4), { divergenceBudget: 1 }, 1, [0, 1]],
  ['the argmax when more than the budget is spent', single(0, 0.6, 0.4), { divergenceBudget: 1 }, 2, [0, 1]],
  ['rank 2 with topK 2', single(1, 0.5, 0.3, 0.2), {}, 0, [0, 1]],
  ['not rank 3 with topK 2', single(2, 0.5, 0.3, 0.2), {}, 0, [0]],
  ['rank 3 with topK 3', single(2, 0.5, 0.3, 0.2), { topK: 3 }, 0, [0, 1]],
  ['not rank 2 with topK 1', single(1, 0.5, 0.3, 0.2), { topK: 1 }, 0, [0]],
  ['not a token that the model did not rank', single(8, 0.5, 0.3, 0.2), { topK: 3, minProb: 0 }, 0, [0]],
  ['a probability over minProb', single(1, 0.5, 0.3, 0.2), { minProb: 0.29 }, 0, [0, 1]],
  ['not one under minProb', single(1, 0.5, 0.3, 0.2), { minProb: 0.31 }, 0, [0]],
  ['as many as the budget allows', chain(5), { divergenceBudget: 3.5 * ln2 }, 0, [0, 1, 2, 3]],
  ['less after tokens that spent some', chain(5), { divergenceBudget: 3.5 * ln2 }, 2 * ln2, [0, 1]],
  ['none after the budget was spent', chain(5), { divergenceBudget: 3.5 * ln2 }, 3 * ln2, [0]],
  ['none with a budget of 0', chain(5), { divergenceBudget: 0 }, 0, [0]],
];
for (const [name, input, rule, spent, path] of table) {
  test(`relaxed accepts ${name}`, () => assert.equal(run(input, { ...relaxed, ...rule }, spent).path, path));
}

test('of equally long paths the one with the least divergence, whatever came first', () => {
  const rows = [row(0.5, 0.3, 0.2), sure, sure];
  assert.equal(run({ tokens: [9, 1, 0], parents: [-1, 0, 0], rows }, relaxed).path, [0, 2]);
  assert.equal(run({ tokens: [9, 0, 1], parents: [-1, 0, 0], rows }, relaxed).path, [0, 1]);
});

test('a longer path wins over one without divergence; of exactly equal ones the one drafted first', () => {
  const longer: Case = {
    tokens: [9, 0, 1, 0],
    parents: [-1, 0, 0, 2],
    rows: [row(0.5, 0.3, 0.2), row(0.2, 0.8), sure, sure],
  };
  assert.equal(run(longer, relaxed).path, [0, 2, 3]);
  assert.equal(run(longer, greedy).path, [0, 1]);
  const equal: Case = { tokens: [9, 1, 0], parents: [-1, 0, 0], rows: [row(0.5, 0.5), sure, sure] };
  const result = run(equal, relaxed);
  assert.equal(result.path, [0, 1]);
  assert.ok(result.nearTies > 0);
});

test('a relaxed token must bring more than minGain tokens, less and less towards the end of a text', () => {
  // the second-best token and two certain ones behind it, beside the best one alone
  const input: Case = {
    tokens: [9, 0, 1, 0, 0],
    parents: [-1, 0, 0, 2, 3],
    rows: [row(0.6, 0.4), row(0.1, 0.9), sure, sure, sure],
  };
  const chosen = (minGain: number, rest: number) => run(input, { ...relaxed, minGain }, 0, 0, rest).path;
  assert.equal(chosen(0, 1), [0, 2, 3, 4]);
  assert.equal(chosen(1.9, 1), [0, 2, 3, 4]);
  assert.equal(chosen(2, 1), [0, 1], 'of equal ones the cheaper');
  assert.equal(chosen(4, 1), [0, 1]);
  assert.equal(chosen(4, 0.5), [0, 1]);
  assert.equal(chosen(4, 0.4), [0, 2, 3, 4]);
});

test('minGain asks nothing of first choices', () => {
  fc.assert(
    fc.property(cases, (input) => {
      const { path, costs } = run(input, { ...relaxed, minGain: 1000 });
      assert.ok(path.length >= run(input, greedy).path.length);
      // a second choice that is exactly as likely costs nothing
      assert.is(sum(costs), 0);
    }),
  );
});

const near = 1 - 4e-4;
const gain = { ...relaxed, minGain: 2 };
const ties: [string, Case, AcceptRule, number, boolean][] = [
  ['a clear argmax', single(0, 0.6, 0.3), greedy, 0, false],
  ['two best tokens side by side', single(0, 0.5, 0.5 * near), greedy, 0, true],
  ['the next token by a hair', { tokens: [9], parents: [-1], rows: [row(0.5, 0.5 * near)] }, greedy, 0, true],
  ['a clear relaxed token', single(1, 0.5, 0.3, 0.2), relaxed, 0, false],
  ['a rank by a hair, accepted', single(1, 0.5, 0.25, 0.25 * near), relaxed, 0, true],
  ['a rank by a hair, refused', single(2, 0.5, 0.25, 0.25 * near), relaxed, 0, true],
  ['minProb by a hair', single(1, 0.7, 0.3), { ...relaxed, minProb: 0.3 * near }, 0, true],
  ['minProb by a hair, refused', single(1, 0.7, 0.3), { ...relaxed, minProb: 0.3 / near }, 0, true],
  ['minProb by a hair, but too low a rank', single(2, 0.5, 0.3, 0.2), { ...relaxed, minProb: 0.2 }, 0, false],
  [
    'a first choice beside the path by a hair, with a gain',
    {
      tokens: [9, 0, 1, 0],
      parents: [-1, 0, 0, 2],
      rows: [row(0.5, 0.5 * near), sure, sure, sure],
    },
    gain,
    0,
    true,
  ],
  ['a relaxed token by a hair, with a gain', single(1, 0.5, 0.5 * near), gain, 0, true],
  ['the budget by a hair', chain(1), { ...relaxed, divergenceBudget: 1 + ln2 + 4e-4 }, 1, true],
  ['the budget by a hair, refused', chain(1), { ...relaxed, divergenceBudget: 1 + ln2 - 4e-4 }, 1, true],
];
for (const [name, input, rule, spent, expected] of ties) {
  test(`near ties: ${name}`, () => assert.is(run(input, rule, spent).nearTies > 0, expected));
}

test('verdicts that numerical noise turns are counted as near ties', () => {
  fc.assert(
    fc.property(
      cases,
      rules,
      fc.infiniteStream(fc.double({ min: -1e-4, max: 1e-4, noNaN: true })),
      (input, rule, noise) => {
        const rows = input.rows.map((row) =>
          row.map(([token, logit]) => [token, logit + (noise.next().value as number)] as const),
        );
        const before = run(input, rule);
        const after = run({ ...input, rows }, rule);
        if (before.nearTies > 0) return;
        assert.equal(after.path, before.path);
        assert.is(after.next, before.next);
      },
    ),
    { numRuns: 1000 },
  );
});

test.run();
