/** A pool without one of its documents, against a pool that was built without it. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTrie } from '../../src/pool/build.js';
import { Followers, type Ngrams, type PoolState } from '../../src/pool/ngrams.js';
import { OwnText } from '../../src/pool/own.js';
import { Pool } from '../../src/pool/trie.js';
import { WithoutDocument } from '../../src/pool/without.js';
import { tokenList } from './oracle.js';

const pool = (documents: readonly number[][], maxLength: number) =>
  new Pool(buildTrie(documents, maxLength), maxLength);

function withoutDocument(document: number[], others: readonly number[][], maxLength: number) {
  const own = new OwnText(1000, maxLength);
  for (const token of document) own.append(token);
  return new WithoutDocument(pool([document, ...others], maxLength), Int32Array.from(document), own);
}

/** What follows each context of the history's end that anything follows, the longest first. */
function contextsOf(ngrams: Ngrams, history: readonly number[], widest: number) {
  const state: PoolState = { node: 0, depth: 0 };
  for (const token of history) ngrams.walk(state, token);
  const after = new Followers(widest);
  const found: object[] = [];
  let { node } = state;
  for (let length = state.depth; length >= 0; length--) {
    ngrams.followers(node, after);
    const { total, distinct, size } = after;
    const [tokens, counts] = [[...after.tokens.subarray(0, size)], [...after.counts.subarray(0, size)]];
    if (total !== 0) found.push({ length, total, distinct, tokens, counts });
    if (length > 0) node = ngrams.shorter(node, length);
  }
  return found;
}

test('contexts, totals, distinct tokens and the order of followers are those of a pool built without it', () => {
  const list = tokenList();
  const histories = fc.array(list, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      list,
      fc.array(list, { maxLength: 6 }),
      histories,
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      (document, others, strange, maxLength, widest) => {
        const without = withoutDocument(document, others, maxLength);
        const expected = pool(others, maxLength);
        for (const history of [document, ...others, ...strange])
          for (let end = 0; end <= history.length; end++)
            assert.equal(
              contextsOf(without, history.slice(0, end), widest),
              contextsOf(expected, history.slice(0, end), widest),
            );
        // asked again for more than before
        for (const limit of [1, widest + 3])
          assert.equal(contextsOf(without, document, limit), contextsOf(expected, document, limit));
      },
    ),
    { numRuns: 200 },
  );
});

test('tokens beyond those that are asked for come forward', () => {
  const others = Array.from({ length: 200 }, (_, i) => [1, 100 + i]);
  const document = others.slice(0, 150).flat();
  const without = withoutDocument(document, others, 3);
  for (const widest of [1, 8, 300])
    assert.equal(contextsOf(without, [1], widest), contextsOf(pool(others, 3), [1], widest));
});

test.run();
