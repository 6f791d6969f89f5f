import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Drafter, type DraftPools } from '../../src/draft/drafter.js';
import { Estimate } from '../../src/draft/estimate.js';
import { DraftTree } from '../../src/draft/tree.js';
import { buildTrie } from '../../src/pool/build.js';
import { usualEscapes } from '../../src/pool/escape.js';
import type { Ngrams, PoolState } from '../../src/pool/ngrams.js';
import { OwnText } from '../../src/pool/own.js';
import { Pool } from '../../src/pool/trie.js';

const vocabulary = 8;
const end = 7;
const text = fc.array(fc.integer({ min: 0, max: vocabulary - 1 }), { minLength: 1, maxLength: 30 });
const texts = fc.array(text, { maxLength: 6 });
const pool = (documents: number[][]) => new Pool(buildTrie(documents, 5), 5);

function draft(drafter: Drafter, pools: DraftPools, sequence: number[], nodes: number, depth: number) {
  drafter.begin(pools);
  for (const token of sequence) drafter.append(token);
  const tree = drafter.draft(sequence.at(-1) as number, { nodes, depth, minPathProbability: 0.01 });
  return { tokens: [...tree.tokens], parents: [...tree.parents] };
}

test('a line is one, and begins with the likeliest token', () => {
  const budget = { nodes: 6, depth: 6, minPathProbability: 0.01 };
  let longest = 0;
  fc.assert(
    fc.property(texts, texts, text, (cohort, shared, sequence) => {
      const drafter = new Drafter(vocabulary, new Set([end]));
      drafter.begin({ cohort: pool(cohort), shared: pool(shared) });
      for (const token of sequence) drafter.append(token);
      const { tokens, parents } = drafter.draft(sequence.at(-1) as number, { ...budget, line: true });
      longest = Math.max(longest, tokens.length);
      assert.equal(
        [...parents],
        Array.from(tokens, (_, row) => row - 1),
      );
      const single = drafter.draft(sequence.at(-1) as number, { ...budget, nodes: 1 });
      assert.equal([...tokens.slice(0, 2)], [...single.tokens], 'the likeliest token comes first');
    }),
    { examples: [[[[1, 2, 3, 4, 5, 6]], [], [1, 2]]] },
  );
  assert.ok(longest > 3);
});

test('where likely tokens are accepted that are no argmax, trees are narrower and deeper', () => {
  // at each place one of two tokens, the first of them twice as often
  const documents = Array.from({ length: 3 ** 4 }, (_, n) =>
    Array.from({ length: 5 }, (_, i) =>
      i === 0 ? 1 : 2 * i + (Math.floor(n / 3 ** (i - 1)) % 3 === 0 ? 1 : 0),
    ),
  );
  const drafter = new Drafter(100, new Set());
  const shared = pool(documents);
  const depthOf = (relaxed: boolean) => {
    drafter.begin({ shared });
    drafter.append(1);
    const { parents } = drafter.draft(1, { nodes: 5, depth: 9, minPathProbability: 0, relaxed });
    const depths = [0];
    for (const parent of parents.subarray(1)) depths.push((depths[parent] as number) + 1);
    return Math.max(...depths);
  };
  assert.ok(depthOf(true) > depthOf(false), `${depthOf(true)} against ${depthOf(false)}`);
});

test('a tree keeps its bounds, whatever the pools', () => {
  const budget = fc.record({ nodes: fc.integer({ min: 0, max: 20 }), depth: fc.integer({ min: 0, max: 6 }) });
  fc.assert(
    fc.property(texts, texts, text, budget, (cohort, shared, sequence, { nodes, depth }) => {
      const drafter = new Drafter(vocabulary, new Set([end]));
      const tree = draft(drafter, { cohort: pool(cohort), shared: pool(shared) }, sequence, nodes, depth);
      assert.is(tree.tokens[0], sequence.at(-1));
      assert.is(tree.parents[0], -1);
      assert.ok(tree.tokens.length <= nodes + 1);
      const depths = [0];
      const seen = new Set<string>();
      for (let row = 1; row < tree.tokens.length; row++) {
        const parent = tree.parents[row] as number;
        assert.ok(parent >= 0 && parent < row, 'a parent stands before its children');
        depths[row] = (depths[parent] as number) + 1;
        assert.ok((depths[row] as number) <= depth, 'too deep');
        assert.ok(parent === 0 || tree.tokens[parent] !== end, 'something below the end of a text');
        const edge = `${parent} ${tree.tokens[row]}`;
        assert.not(seen.has(edge), 'the same token twice below one node');
        seen.add(edge);
      }
    }),
  );
});

test('nothing of an earlier request is left', () => {
  fc.assert(
    fc.property(texts, texts, text, text, (cohort, shared, before, sequence) => {
      const pools = { cohort: pool(cohort), shared: pool(shared) };
      const fresh = draft(new Drafter(vocabulary, new Set([end])), {}, sequence, 12, 6);
      const used = new Drafter(vocabulary, new Set([end]));
      const first = draft(used, pools, sequence, 12, 6);
      draft(used, pools, before, 20, 6);
      assert.equal(draft(used, {}, sequence, 12, 6), fresh, 'the pools of the request before');
      assert.equal(draft(used, pools, sequence, 12, 6), first, 'the same input, another tree');
    }),
  );
});

test('the only continuation known is drafted first, to its end', () => {
  const shared = pool([
    [1, 2, 3, 4, 5, end],
    [1, 2, 3, 4, 5, end],
    [1, 2, 3, 4, 5, end],
  ]);
  const tree = draft(new Drafter(vocabulary, new Set([end])), { shared }, [0, 1, 2], 4, 10);
  assert.equal(tree.tokens, [2, 3, 4, 5, end]);
  assert.equal(tree.parents, [-1, 0, 1, 2, 3]);
});

test('the cohort outweighs the shared pool, and its absence leaves the shared one', () => {
  const times = (count: number, text: number[]) => Array.from({ length: count }, () => text);
  const cohort = pool(times(20, [1, 2]));
  const shared = pool([...times(30, [1, 3]), ...times(20, [1, 2])]);
  const drafter = new Drafter(vocabulary, new Set([end]));
  assert.is(draft(drafter, { cohort, shared }, [1], 1, 5).tokens[1], 2);
  assert.is(draft(drafter, { shared }, [1], 1, 5).tokens[1], 3);
});

test('the own text is drafted from', () => {
  const tree = draft(new Drafter(vocabulary, new Set([end])), {}, [1, 2, 3, 4, 0, 1, 2], 2, 5);
  assert.equal(tree.tokens, [2, 3, 4]);
});

/**
 * Best-first search as its definition says it: every candidate kept, every pool walked from the first token on.
 * @param prompt how many tokens of the sequence were there at the first draft
 */
function plainDraft(
  pools: Pool[],
  sequence: number[],
  prompt: number,
  nodes: number,
  least: number,
  lift: number,
) {
  const own = new OwnText(vocabulary, 6);
  const sources: Ngrams[] = [...pools, own];
  const start = sources.map((): PoolState => ({ node: 0, depth: 0 }));
  const after = (states: readonly PoolState[], token: number) =>
    states.map(({ node, depth }, s) => {
      const state = { node, depth };
      sources[s]?.walk(state, token);
      return state;
    });
  let states = start;
  for (const [i, token] of sequence.entries()) {
    own.append(token);
    if (i < prompt && token === end) own.endTurn();
    if (i === prompt - 1) own.endPrompt();
    states = after(states, token);
  }
  const estimate = new Estimate();
  estimate.use(sources, usualEscapes);
  const rows = [{ token: sequence.at(-1) as number, parent: -1, score: 1, states }];
  const candidates: { token: number; parent: number; score: number }[] = [];
  for (let row = 0; row < nodes && rows[row] !== undefined; row++) {
    const { token, score: path, states } = rows[row] as (typeof rows)[number];
    if (row === 0 || token !== end) {
      estimate.compute(Int32Array.from(states.flatMap(({ node, depth }) => [node, depth])), 0);
      const best = estimate.likeliest;
      const chance = Math.min(1, estimate.scores[best] as number);
      for (let i = 0; i < estimate.size; i++) {
        const score =
          i === best
            ? path * (chance + lift * chance * (1 - chance))
            : path * (1 - lift * chance) * (estimate.scores[i] as number);
        if (score >= least) candidates.push({ token: estimate.tokens[i] as number, parent: row, score });
      }
    }
    candidates.sort((a, b) => b.score - a.score);
    const best = candidates.shift();
    if (best === undefined) break;
    rows.push({ ...best, states: after(rows[best.parent]?.states as PoolState[], best.token) });
  }
  return rows;
}

test('a tree is that of a plain best-first search over the same estimates', () => {
  const budget = fc.record({
    nodes: fc.integer({ min: 0, max: 24 }),
    least: fc.constantFrom(0, 0.01, 0.1),
    relaxed: fc.boolean(),
  });
  fc.assert(
    fc.property(texts, texts, text, text, budget, (cohort, shared, sequence, more, choice) => {
      const { nodes, least, relaxed } = choice;
      const pools = { cohort: pool(cohort), shared: pool(shared) };
      const drafter = new Drafter(vocabulary, new Set([end]));
      drafter.begin(pools);
      const seen: number[] = [];
      // of drafts in between only the lift is left, and tokens one by one count as many at once
      for (const part of [sequence, more.slice(0, 1), more.slice(1)]) {
        for (const token of part) drafter.append(token);
        seen.push(...part);
        const last = seen.at(-1) as number;
        const tree = drafter.draft(last, { nodes, depth: 99, minPathProbability: least, relaxed });
        // what nothing was seen of yet is the mode's
        const { lift } = drafter;
        if (seen.length === sequence.length) assert.is(lift, relaxed ? 0.5 : 0);
        const expected = plainDraft([pools.cohort, pools.shared], seen, sequence.length, nodes, least, lift);
        assert.equal(
          [...tree.tokens],
          expected.map(({ token }) => token),
        );
        assert.equal(
          [...tree.parents],
          expected.map(({ parent }) => parent),
        );
        assert.equal(
          [...drafter.gains],
          expected.slice(1).map(({ score }) => score),
        );
      }
    }),
  );
});

test('a tree keeps the best candidates that there is room for, of equal ones the first', () => {
  const scores = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 1, max: 200 }), (pushed, nodes) => {
      const tree = new DraftTree();
      tree.begin(99, nodes);
      for (const [place, score] of pushed.entries()) tree.push(score / 5, place, 0);
      const expected = pushed.map((score, place) => ({ score, place })).sort((a, b) => b.score - a.score);
      assert.equal(
        [...tree.tokens.subarray(1, tree.size)],
        expected.slice(0, nodes).map(({ place }) => place),
      );
      assert.is(tree.least, pushed.length < nodes ? 0 : (expected[nodes - 1]?.score ?? 0) / 5);
    }),
  );
});

test('a child that counts more than its parent, as in a damaged pool, comes behind it', () => {
  const tree = new DraftTree();
  tree.begin(7, 4);
  tree.push(0.5, 1, 0);
  tree.push(0.9, 2, 1);
  tree.push(0.4, 3, 1);
  assert.equal([...tree.tokens.subarray(0, tree.size)], [7, 1, 2, 3]);
  assert.equal([...tree.scores.subarray(0, tree.size)], [1, 0.5, 0.5, 0.4]);
});

test.run();
