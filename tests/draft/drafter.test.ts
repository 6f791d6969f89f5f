import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Drafter, type DraftPools } from '../../src/draft/drafter.js';
import { CandidateHeap } from '../../src/draft/heap.js';
import { buildTrie } from '../../src/pool/build.js';
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

test('the heap gives the highest score first, of equal ones the first pushed, as many as are wanted', () => {
  const score = fc.oneof(
    fc.integer({ min: 0, max: 5 }).map((fifths) => fifths / 5),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 1, max: 1000 }).map((i) => 0.5 + i * 1e-9),
  );
  const heap = new CandidateHeap(64);
  fc.assert(
    fc.property(
      fc.array(score, { maxLength: 60 }),
      fc.integer({ min: 1, max: 70 }),
      fc.nat(9),
      (scores, wanted, early) => {
        heap.clear(wanted);
        const open = scores.map((value, place) => ({ value, place }));
        const waiting: typeof open = [];
        const popped: number[] = [];
        const expected: number[] = [];
        const take = () => {
          waiting.sort((a, b) => b.value - a.value || a.place - b.place);
          const best = waiting.shift();
          if (best !== undefined) expected.push(best.place);
          if (heap.pop()) popped.push(heap.token);
        };
        // some are taken out before all were pushed
        for (const candidate of open) {
          waiting.push(candidate);
          heap.push(candidate.value, candidate.place, 0);
          if (candidate.place % 10 === early && expected.length < wanted) take();
        }
        while (expected.length < wanted && waiting.length > 0) take();
        assert.equal(popped, expected);
      },
    ),
    { numRuns: 500 },
  );
});

test.run();
