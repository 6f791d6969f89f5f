import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PenalisedVerdicts, RepetitionPenalty } from '../../src/decode/penalty.js';
import { type AcceptRule, tokensToSee, verify } from '../../src/decode/verify.js';
import { penalised } from './distribution.js';
import { type Case, cases, treeOf, verdictsOf } from './trees.js';

/** The tokens of a row's path, row 0's too. */
function pathTokens({ tokens, parents }: Case, row: number): number[] {
  const path: number[] = [];
  for (let at = row; at >= 0; at = parents[at] as number) path.unshift(tokens[at] as number);
  return path;
}

/** The case whose logits are what the model says after the penalty, computed for each row from its whole text. */
function changed(input: Case, history: readonly number[], factor: number): Case {
  const rows = input.rows.map((row, r) => {
    const text = [...history, ...pathTokens(input, r)];
    const logits = penalised(
      row.map(([, logit]) => logit),
      text,
      factor,
    );
    return row.map(([token], i) => [token, logits[i] as number] as const);
  });
  return { ...input, rows };
}

/** Logits of both signs. */
const signed = cases.map((input) => ({
  ...input,
  rows: input.rows.map((row) => row.map(([token, logit]) => [token, logit - 1] as const)),
}));
const histories = fc.array(fc.nat(4), { maxLength: 6 });
const factors = fc.constantFrom(0.7, 1.3, 3.1);

function penaltyOf(input: Case, history: readonly number[], factor: number): RepetitionPenalty {
  const penalty = new RepetitionPenalty(factor);
  for (const token of [...history, input.tokens[0] as number]) penalty.append(token);
  return penalty;
}

test('each row has the logits of its own text after the penalty', () => {
  fc.assert(
    fc.property(signed, histories, factors, fc.nat(3), (input, history, factor, first) => {
      const penalty = penaltyOf(input, history, factor);
      const verdicts = verdictsOf(input, 2, first);
      changed(input, history, factor).rows.forEach((row, r) => {
        const logits = penalty.logits(treeOf(input), verdicts, r);
        assert.equal([...logits], [...Float32Array.from(row, ([, logit]) => logit)]);
      });
    }),
  );
});

const rules: fc.Arbitrary<AcceptRule> = fc.record({
  mode: fc.constantFrom('greedy' as const, 'relaxed' as const),
  topK: fc.integer({ min: 1, max: 4 }),
  minProb: fc.constantFrom(0, 0.1003, 0.2007),
  divergenceBudget: fc.constantFrom(0, 0.8803, 100.1),
  minGain: fc.constantFrom(0, 1.5),
});

const start = { spent: 0, rest: 1 };
test('verification after the penalty is that of a model with those logits, greedy and relaxed', () => {
  let turned = 0;
  fc.assert(
    fc.property(signed, histories, factors, rules, (input, history, factor, rule) => {
      const tree = treeOf(input);
      const topK = tokensToSee(rule);
      const given = verdictsOf(input, topK);
      const found = verify(
        tree,
        new PenalisedVerdicts(tree, given, penaltyOf(input, history, factor), topK),
        rule,
        start,
      );
      const expected = verify(tree, verdictsOf(changed(input, history, factor), topK), rule, start);
      assert.equal(found.path, expected.path);
      assert.is(found.next, expected.next);
      assert.is(found.nearTies, expected.nearTies);
      found.costs.forEach((cost, i) => {
        assert.ok(Math.abs(cost - (expected.costs[i] as number)) < 1e-5);
      });
      const without = verify(tree, given, rule, start);
      if (without.next !== found.next || `${without.path}` !== `${found.path}`) turned++;
    }),
    { numRuns: 1000 },
  );
  assert.ok(turned > 100, `the penalty changed only ${turned} decisions: the test shows little`);
});

test('a logit that is NaN or infinite is refused', () => {
  for (const wrong of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    const input: Case = {
      tokens: [0],
      parents: [-1],
      rows: [
        [
          [0, 1],
          [1, 2],
          [2, wrong],
        ],
      ],
    };
    const tree = treeOf(input);
    const judged = new PenalisedVerdicts(tree, verdictsOf(input, 2), penaltyOf(input, [], 1.1), 2);
    assert.throws(() => judged.token(0, 0), /NaN or an infinite logit/);
  }
});

test.run();
