import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTrie } from '../../src/pool/build.js';
import { OwnText } from '../../src/pool/own.js';
import { Pool, type TrieColumns } from '../../src/pool/trie.js';
import { countGrams, fibonacciWord, type Grams, longestSuffix, tokenList } from './oracle.js';

const documentLists = fc.array(tokenList(), { maxLength: 6 });
const maxLengths = fc.integer({ min: 1, max: 6 });
/** Longer than any text's alphabet: holds tokens never seen. */
const histories = fc.array(fc.nat(7), { maxLength: 30 });

/** The n-gram of each node, found from the families of children alone. */
function paths(columns: TrieColumns): number[][] {
  const found: number[][] = [[]];
  const { token, firstChild } = columns;
  for (let node = 0; node < token.length; node++) {
    for (let child = firstChild[node] as number; child < (firstChild[node + 1] as number); child++) {
      assert.is(found[child], undefined, `node ${child} has two parents`);
      found[child] = [...(found[node] as number[]), token[child] as number];
    }
  }
  assert.is(found.length, token.length);
  return found;
}

function checkTrie(documents: readonly (readonly number[])[], maxLength: number): void {
  const columns = buildTrie(documents, maxLength);
  const grams = countGrams(documents, maxLength);
  const path = paths(columns);
  assert.is(path.length, grams.count.size + 1, 'as many nodes as there are n-grams, and the root');
  assert.is(columns.count[0], grams.tokens);
  assert.is(columns.token[0], -1);
  for (let node = 0; node < path.length; node++) {
    const gram = path[node] as number[];
    if (node > 0) {
      assert.is(columns.count[node], grams.count.get(gram.join(' ')), `count of ${gram}`);
      assert.ok(gram.length >= (path[node - 1] as number[]).length, 'level by level');
    }
    assert.equal(path[columns.link[node] as number], gram.slice(1), `link of ${gram}`);
    const family = Array.from(
      columns.token.subarray(columns.firstChild[node] as number, columns.firstChild[node + 1] as number),
    );
    assert.equal(family, childOrder(grams, gram), `children of ${gram}`);
  }
  checkWalk(new Pool(columns, maxLength), path, grams, documents.flat());
}

/** Falling count, then rising token. */
function childOrder(grams: Grams, gram: readonly number[]): number[] {
  const followers = [...(grams.followers.get(gram.join(' ')) ?? [])];
  return followers.sort(([a, m], [b, n]) => n - m || a - b).map(([token]) => token);
}

type Walker = Pick<Pool, 'walk' | 'maxLength'>;

function checkWalk(place: Walker, path: readonly number[][], grams: Grams, history: readonly number[]): void {
  const state = { node: 0, depth: 0 };
  history.forEach((token, i) => {
    place.walk(state, token);
    const expected = longestSuffix(grams, history.slice(0, i + 1), place.maxLength);
    assert.equal(path[state.node], expected, `walk after ${history.slice(0, i + 1)}`);
    assert.is(state.depth, expected.length);
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
      checkWalk(new Pool(columns, maxLength), paths(columns), grams, history);
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
  const { token, firstChild } = buildTrie(
    [
      [1, 2],
      [3, 4],
    ],
    4,
  );
  const pool = new Pool(
    buildTrie(
      [
        [1, 2],
        [3, 4],
      ],
      4,
    ),
    4,
  );
  assert.is(pool.child(pool.child(0, 2), 3), -1);
  assert.is(token.length, 1 + 4 + 2);
  assert.is(firstChild[1], 5);
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
  checkWalk(own, path, grams, history);
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
