import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTrie } from '../../src/pool/build.js';
import { Followers, type Ngrams } from '../../src/pool/ngrams.js';
import { OwnText } from '../../src/pool/own.js';
import { nodeFields, nodeWidth, Pool } from '../../src/pool/trie.js';
import { countGrams, fibonacciWord, type Grams, longestSuffix, tokenList } from './oracle.js';

const documentLists = fc.array(tokenList(), { maxLength: 6 });
const maxLengths = fc.integer({ min: 1, max: 6 });
/** Longer than any text's alphabet: holds tokens never seen. */
const histories = fc.array(fc.nat(7), { maxLength: 30 });

/** The context of each number that a walk can meet, found by following children; the root's is empty. */
function contextsOf(pool: Pool, grams: Grams): Map<number, number[]> {
  const found = new Map<number, number[]>([[0, []]]);
  // a Map goes on to what is added while it is walked
  for (const [node, gram] of found) {
    if (gram.length >= pool.maxLength) continue;
    for (const token of grams.followers.get(gram.join(' '))?.keys() ?? []) {
      const child = pool.child(node, token);
      assert.ok(child > 0, `no child ${token} of ${gram}`);
      // an n-gram that occurs once ends where longer ones do
      if (child < pool.nodes) {
        assert.not(found.has(child), `node ${child} has two parents`);
        found.set(child, [...gram, token]);
      }
    }
  }
  return found;
}

function checkTrie(documents: readonly (readonly number[])[], maxLength: number): void {
  const columns = buildTrie(documents, maxLength);
  const grams = countGrams(documents, maxLength);
  const pool = new Pool(columns, maxLength);
  const contexts = contextsOf(pool, grams);
  const repeated = [...grams.count.values()].filter((count) => count > 1).length;
  assert.is(contexts.size, pool.nodes, 'a node that no path leads to');
  assert.is(pool.nodes, repeated + 1, 'as many nodes as there are n-grams that repeat, and the root');
  const field = (node: number, name: keyof typeof nodeFields) =>
    columns.node[node * nodeWidth + nodeFields[name]];
  assert.is(field(0, 'count'), grams.tokens);
  assert.is(field(0, 'token'), -1);
  let last = 0;
  for (let node = 0; node < pool.nodes; node++) {
    const gram = contexts.get(node) as number[];
    if (node > 0) assert.is(field(node, 'count'), grams.count.get(gram.join(' ')), `count of ${gram}`);
    assert.ok(gram.length >= last, 'level by level');
    last = gram.length;
    assert.equal(contexts.get(pool.shorter(node, gram.length)), gram.slice(1), `link of ${gram}`);
    if (gram.length < maxLength) checkFollowers(pool, node, grams, gram);
  }
  checkWalk(pool, grams, documents.flat());
}

const all = new Followers(1000);
const three = new Followers(3);

/** Counts, order of children and lookups of one context, and the same with fewer children asked for. */
function checkFollowers(pool: Pool, node: number, grams: Grams, gram: readonly number[]): void {
  const expected = childOrder(grams, gram);
  const seen = grams.followers.get(gram.join(' '));
  for (const after of [all, three]) {
    const { limit } = after;
    pool.followers(node, after);
    assert.is(after.distinct, expected.length, `children of ${gram}`);
    assert.is(after.total, expected.length > 0 ? (grams.count.get(gram.join(' ')) ?? grams.tokens) : 0);
    assert.is(after.size, Math.min(limit, expected.length));
    const [tokens, counts] = [after.tokens, after.counts].map((list) => [...list.subarray(0, after.size)]);
    assert.equal(tokens, expected.slice(0, limit), `children of ${gram}`);
    assert.equal(
      counts,
      expected.slice(0, limit).map((token) => seen?.get(token)),
    );
  }
  for (let token = 0; token < 9; token++) {
    assert.is(pool.child(node, token) >= 0, expected.includes(token), `child ${token} of ${gram}`);
  }
}

/** Falling count, then rising token. */
function childOrder(grams: Grams, gram: readonly number[]): number[] {
  const followers = [...(grams.followers.get(gram.join(' ')) ?? [])];
  return followers.sort(([a, m], [b, n]) => n - m || a - b).map(([token]) => token);
}

/** Walks along `history`; at each step the followers are those of the longest known suffix and of all shorter ones. */
function checkWalk(place: Ngrams, grams: Grams, history: readonly number[]): void {
  const state = { node: 0, depth: 0 };
  history.forEach((token, i) => {
    place.walk(state, token);
    const past = history.slice(0, i + 1);
    const expected = longestSuffix(grams, past, place.maxLength);
    assert.is(state.depth, expected.length, `walk after ${past}`);
    let { node } = state;
    for (let depth = state.depth; depth >= 0; depth--) {
      place.followers(node, all);
      const followers = grams.followers.get(expected.slice(expected.length - depth).join(' ')) ?? new Map();
      const found = Array.from(all.tokens.subarray(0, all.size), (token, c) => [token, all.counts[c]]);
      assert.equal(
        found.sort(([a], [b]) => (a as number) - (b as number)),
        [...followers].sort(([a], [b]) => a - b),
        `followers after ${past} in ${depth} tokens`,
      );
      if (depth > 0) node = place.shorter(node, depth);
    }
    assert.is(node, 0);
  });
}

test('counts, order of children and links equal plain counting', () => {
  fc.assert(fc.property(documentLists, maxLengths, checkTrie));
});

test('walks find the longest known suffix, also after tokens never seen', () => {
  fc.assert(
    fc.property(documentLists, maxLengths, histories, (documents, maxLength, history) => {
      const columns = buildTrie(documents, maxLength);
      const grams = countGrams(documents, maxLength);
      checkWalk(new Pool(columns, maxLength), grams, history);
    }),
  );
});

test('the order of the documents makes no difference', () => {
  const shuffled = documentLists.chain((documents) =>
    fc.tuple(
      fc.constant(documents),
      fc.shuffledSubarray(documents, { minLength: documents.length, maxLength: documents.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, maxLengths, ([documents, other], maxLength) => {
      assert.equal(buildTrie(documents, maxLength), buildTrie(other, maxLength));
    }),
  );
});

test('n-grams never cross from one document to the next', () => {
  const documents = [
    [1, 2],
    [3, 4],
  ];
  const pool = new Pool(buildTrie(documents, 4), 4);
  const end = pool.child(pool.child(0, 1), 2);
  assert.ok(end > 0);
  assert.is(pool.child(end, 3), -1);
  const after = new Followers(4);
  pool.followers(end, after);
  assert.equal([after.total, after.distinct, after.size], [0, 0, 0]);
});

const adversarial: [string, number[][]][] = [
  ['no documents', []],
  ['an empty document', [[]]],
  ['empty documents among others', [[], [5], [], [5, 5], []]],
  ['one token', [[9]]],
  ['one symbol repeated', [Array<number>(200).fill(3)]],
  ['a Fibonacci word', [fibonacciWord(233)]],
  [
    'Fibonacci words that are prefixes of each other',
    [fibonacciWord(34), fibonacciWord(55), fibonacciWord(89)],
  ],
  ['prefixes of each other', [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8]]],
  ['suffixes of each other', [[4], [3, 4], [2, 3, 4], [1, 2, 3, 4]]],
  ['large token ids', [[1_000_000, 0, 1_000_000, 0, 999_999]]],
  ['one document twice', [fibonacciWord(40), fibonacciWord(40)]],
  [
    'families of many children, with and without repeats',
    [Array.from({ length: 900 }, (_, i) => (i % 2 === 0 ? 7 : 20 + ((i * i) % 97)))],
  ],
  ['all tokens distinct', [Array.from({ length: 700 }, (_, i) => 700 - i)]],
];
for (const [name, documents] of adversarial) {
  test(`trie of ${name}`, () => {
    for (const maxLength of [1, 2, 6]) checkTrie(documents, maxLength);
  });
}

/** The n-gram of each node of an own text. */
function ownPaths(own: OwnText): number[][] {
  const found: number[][] = [[]];
  const pending = [0];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    for (let child = own.first[node] as number; child >= 0; child = own.next[child] as number) {
      assert.is(found[child], undefined, `node ${child} has two parents`);
      found[child] = [...(found[node] as number[]), own.token[child] as number];
      pending.push(child);
    }
  }
  assert.is(found.filter((path) => path !== undefined).length, own.nodes);
  return found;
}

function checkOwn(own: OwnText, text: readonly number[], history: readonly number[]): void {
  const grams = countGrams([text], own.maxLength);
  const path = ownPaths(own);
  assert.is(own.nodes, grams.count.size + 1);
  path.forEach((gram, node) => {
    const key = gram.join(' ');
    // an n-gram of full length has no place below it
    const followers = gram.length < own.maxLength ? [...(grams.followers.get(key) ?? [])] : [];
    assert.is(own.count[node], node === 0 ? text.length : grams.count.get(key), `count of ${key}`);
    assert.is(own.children[node], followers.length, `children of ${key}`);
    assert.is(
      own.followed[node],
      followers.reduce((sum, [, count]) => sum + count, 0),
      `followed of ${key}`,
    );
    if (node > 0) assert.equal(path[own.link[node] as number], gram.slice(1), `link of ${key}`);
    const family: number[] = [];
    for (let child = own.first[node] as number; child >= 0; child = own.next[child] as number) {
      family.push(own.token[child] as number);
      assert.is(own.child(node, own.token[child] as number), child);
    }
    assert.equal(family, followers.map(([token]) => token).reverse(), `the newest child of ${key} first`);
  });
  checkWalk(own, grams, history);
}

function ownOf(text: readonly number[], maxLength: number): OwnText {
  const own = new OwnText(1000, maxLength);
  for (const token of text) own.append(token);
  return own;
}

test('own text: counts, followers, children and walks equal plain counting after each token', () => {
  fc.assert(
    fc.property(tokenList(), fc.integer({ min: 2, max: 6 }), histories, (text, maxLength, history) => {
      const own = new OwnText(1000, maxLength);
      text.forEach((token, i) => {
        own.append(token);
        if (i % 5 === 0) checkOwn(own, text.slice(0, i + 1), history);
      });
      checkOwn(own, text, history);
    }),
  );
});

test('own text: one symbol, a Fibonacci word and more nodes than the first columns hold', () => {
  let random = 7;
  const noise = Array.from({ length: 2000 }, () => {
    random = (random * 48_271) % 2_147_483_647;
    return random % 1000;
  });
  for (const text of [Array<number>(50).fill(0), fibonacciWord(144), noise]) {
    const own = ownOf(text, 6);
    checkOwn(own, text, text.slice(-40));
  }
  assert.ok(ownOf(noise, 6).nodes > 4096);
});

test('own text: clear leaves nothing', () => {
  fc.assert(
    fc.property(tokenList(), tokenList(), histories, (before, after, history) => {
      const own = ownOf(before, 4);
      own.clear();
      checkOwn(own, [], history);
      for (let token = 0; token < 8; token++) assert.is(own.child(0, token), -1);
      for (const token of after) own.append(token);
      checkOwn(own, after, history);
    }),
  );
});

test.run();
