import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Drafter } from '../../src/draft/drafter.js';
import type { TreeRows } from '../../src/engine/engine.js';
import { PoolBuilder } from '../../src/pool/builder.js';
import {
  matchTree,
  ReplayCounts,
  type ReplayDrafter,
  type ReplayText,
  replay,
} from '../../src/simulate/replay.js';
import { openPools, type Source, SourceDrafter } from '../../src/simulate/sources.js';
import { toReplayText } from '../../src/simulate/texts.js';
import { TextModel } from '../../src/text/tokenizer.js';
import { sampleModel } from '../pipeline/fixture.js';

const end = 7;

function recorded(answer: number[], options: Partial<ReplayText> = {}): ReplayText {
  return {
    entityType: null,
    cohort: null,
    framework: null,
    promptIds: Int32Array.of(1),
    answerIds: Int32Array.from(answer),
    ...options,
  };
}

/** Drafts the same tree at every step. */
function fixed(tokens: number[], parents: number[]): ReplayDrafter & { seen: number[] } {
  const seen: number[] = [];
  return {
    seen,
    begin: () => {
      seen.length = 0;
    },
    append: (token) => {
      seen.push(token);
    },
    draft: (last) => ({ tokens: Int32Array.of(last, ...tokens), parents: Int32Array.of(-1, ...parents) }),
  };
}

const tree = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.nat()), { maxLength: 12 })
  .map((rows): TreeRows => {
    const parents = rows.map(([, parent], i) => parent % (i + 1));
    return {
      tokens: Int32Array.from([0, ...rows.map(([token]) => token)]),
      parents: Int32Array.from([-1, ...parents]),
    };
  });

const choices = fc.array(
  fc.record({
    best: fc.integer({ min: 0, max: 3 }),
    second: fc.integer({ min: -1, max: 3 }),
    cost: fc.integer({ min: 0, max: 8 }),
  }),
  { minLength: 1, maxLength: 8 },
);

test('the match is the path worth most, then cheapest, of all', () => {
  fc.assert(
    fc.property(
      tree,
      choices,
      fc.nat({ max: 3 }),
      fc.integer({ min: 0, max: 12 }),
      fc.constantFrom(0, 1, 1.5),
      (rows, places, at, budget, gain) => {
        const text = recorded(
          places.map(({ best }) => best),
          {
            second: {
              ids: Int32Array.from(places, ({ second }) => second),
              costs: Float32Array.from(places, ({ cost }) => cost),
            },
          },
        );
        const costs = Array.from(rows.tokens, (_, row) => costOf(rows, row, text, at)).map((cost) =>
          cost <= budget ? cost : Number.POSITIVE_INFINITY,
        );
        const worths = costs.map((cost, row) => {
          const path = pathTo(rows, row);
          const paid = path.filter((step) => (costs[step] as number) > costBefore(rows, costs, step)).length;
          return Number.isFinite(cost) ? path.length - gain * paid : Number.NEGATIVE_INFINITY;
        });
        const most = Math.max(...worths);
        const cheapest = Math.min(...costs.filter((_, row) => worths[row] === most));
        const row = costs.findIndex((cost, i) => worths[i] === most && cost === cheapest);
        const match = matchTree(rows, text, at, { budget, gain });
        assert.equal(match.path, pathTo(rows, row));
        assert.is(match.cost, cheapest);
      },
    ),
    { numRuns: 1000 },
  );
});

function costBefore({ parents }: TreeRows, costs: readonly number[], row: number): number {
  return costs[parents[row] as number] as number;
}

function pathTo({ parents }: TreeRows, row: number): number[] {
  return row === 0 ? [] : [...pathTo({ parents } as TreeRows, parents[row] as number), row];
}

/** Infinite where the path to the row leaves the record. */
function costOf(rows: TreeRows, row: number, { answerIds, second }: ReplayText, at: number): number {
  let sum = 0;
  for (const [i, step] of pathTo(rows, row).entries()) {
    const token = rows.tokens[step];
    const place = at + i;
    if (place >= answerIds.length) return Number.POSITIVE_INFINITY;
    if (token === answerIds[place]) continue;
    if (token !== second?.ids[place]) return Number.POSITIVE_INFINITY;
    sum += second?.costs[place] as number;
  }
  return sum;
}

test('steps, tokens and rows are counted as decoding counts them', () => {
  const drafter = fixed([2, 3, 9], [0, 1, 0]);
  // 2 3 4 | 2 3 5 | 6 | 2 end
  const counts = replay([recorded([2, 3, 4, 2, 3, 5, 6, 2, end])], drafter, { nodes: 3 });
  assert.equal(
    [counts.texts, counts.tokens, counts.steps, counts.drafted, counts.accepted, counts.relaxed],
    [1, 9, 4, 12, 5, 0],
  );
  assert.is(counts.tokensPerStep, 9 / 4);
  assert.equal([...counts.stepsByRows], [undefined, undefined, undefined, undefined, 4]);
  assert.equal(drafter.seen, [1, 2, 3, 4, 2, 3, 5, 6, 2, end]);
});

test('a second-best token is accepted as far as the budget reaches, and the text goes on from it', () => {
  const second = { ids: Int32Array.of(9, -1, 9, -1), costs: Float32Array.of(1, 0, 1.5, 0) };
  const text = recorded([2, 3, 4, end], { second });
  const drafter = fixed([9, 3], [0, 1]);
  const generous = replay([text], drafter, { nodes: 2, divergenceBudget: 3 });
  assert.equal([generous.steps, generous.tokens, generous.relaxed, generous.divergence], [2, 4, 1, 1]);
  assert.equal(drafter.seen, [1, 9, 3, 4, end]);
  const strict = replay([text], drafter, { nodes: 2 });
  assert.equal([strict.steps, strict.relaxed, strict.divergence], [4, 0, 0]);
  const thrifty = replay([text], fixed([9], [0]), { nodes: 1, divergenceBudget: 2 });
  // 9 3 | 4 | end: the second 9 would cost more than is left
  assert.equal([thrifty.steps, thrifty.relaxed], [3, 1]);
});

test('texts stop at the limit of new tokens', () => {
  const counts = replay([recorded([2, 3, 2, 2, 3])], fixed([2, 3], [0, 1]), { nodes: 2, maxNewTokens: 4 });
  assert.equal([counts.tokens, counts.steps, counts.accepted], [4, 2, 3]);
  const depths: number[] = [];
  const shallow: ReplayDrafter = {
    ...fixed([], []),
    draft: (last, { depth }) => {
      depths.push(depth);
      return { tokens: Int32Array.of(last), parents: Int32Array.of(-1) };
    },
  };
  replay([recorded([2, 3, 2, 2, 3])], shallow, { nodes: 2, maxNewTokens: 4 });
  assert.equal(depths, [4, 3, 2, 1], 'what the text may still grow by');
});

test('nothing to replay', () => {
  const counts = replay([recorded([])], fixed([], []), { nodes: 4 });
  assert.equal([counts.texts, counts.tokens, counts.steps], [1, 0, 0]);
  assert.is(counts.tokensPerStep, null);
  assert.is(counts.draftMicrosPerToken, null);
  assert.is(new ReplayCounts().draftQuantile(0.99), null);
});

test('sources draft from what they name', () => {
  const settings = { tokenizer: '', maxLength: 4, generationPrompt: Int32Array.of(1), endToken: end };
  const builder = new PoolBuilder(settings);
  // seen once is no reason to draft four tokens on end
  for (let i = 0; i < 8; i++) {
    builder.add('item', 'a', [2, 3, 4, 5], true);
    builder.add('item', 'b', [2, 6, 6, 6], true);
  }
  const pools = openPools(builder.build());
  const steps = (source: Source, entityType: string | null, cohort: string | null, answer: number[]) => {
    const drafter = new SourceDrafter(new Drafter(8, new Set([end])), pools, source);
    return replay([recorded(answer, { entityType, cohort })], drafter, { nodes: 4 }).steps;
  };
  const text = [2, 3, 4, 5, end];
  assert.is(steps('none', 'item', 'a', text), 5);
  assert.is(steps('prompt', 'item', 'a', text), 5);
  assert.is(steps('cohort', 'item', 'a', text), 1);
  assert.is(
    steps('cohort', 'item', 'b', text),
    4,
    'of this text the pool of the other cohort knows the first token',
  );
  assert.is(steps('cohort', null, null, text), 5, 'without a cohort there is no cohort pool');
  assert.ok(steps('shared', 'item', 'nosuch', text) < 5);
  assert.ok(steps('mixed', 'item', 'a', text) <= steps('shared', 'item', 'a', text));
  assert.is(
    steps('prompt', 'item', 'a', [2, 3, 2, 3, 2, 3, 2, 3]) < 8,
    true,
    'the output so far repeats itself',
  );
});

test('a text of any length is replayed', () => {
  const tokenIds = new Array<number>(200_000).fill(5);
  const nothing = { promptId: null, entityType: null, entityId: null, framework: null, cohort: null };
  const alone = { prompt: null, messages: null, secondIds: null, secondCosts: null };
  const row = { ...nothing, ...alone, text: 'long', tokenIds, finishReason: 'stop' };
  const { answerIds } = toReplayText(row, TextModel.load(sampleModel), 'texts.parquet');
  assert.is(answerIds.length, tokenIds.length + 1, 'with its end');
});

test.run();
