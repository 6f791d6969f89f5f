import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTrie } from '../../src/pool/build.js';
import { encodeEscapes, escapeClass, usualEscapes } from '../../src/pool/escape.js';
import { chooseForFit, EscapeFit, prior } from '../../src/pool/fit.js';
import { Followers } from '../../src/pool/ngrams.js';
import { Pool } from '../../src/pool/trie.js';
import { countGrams, type Grams, tokenList } from './oracle.js';

const vocabulary = 8;
const maxLength = 4;
/** Texts that ended by themselves: with an end token. */
const documents = fc.array(
  tokenList().map((text) => [...text, 7]),
  { minLength: 1, maxLength: 6 },
);
const pool = (texts: readonly number[][]) => new Pool(buildTrie(texts, maxLength), maxLength);

/** A token's contexts in the order in which they are asked: the class, and the token's share. */
type Asked = [class_: number, share: number][];

/** Contexts of every token of a document, counted in pools that don't hold it. */
function contextsOf(document: number[], skip: number, cohort: number[][], shared: number[][]): Asked[] {
  const without = (texts: number[][]) => {
    const others = [...texts];
    others.splice(others.indexOf(document), 1);
    return countGrams(others, maxLength);
  };
  const pools = [without(cohort), without(shared)];
  return document.slice(skip).map((token, i) => {
    const before = document.slice(0, skip + i);
    const sources: Grams[] = [...pools, countGrams([before], maxLength)];
    const asked: Asked = [];
    for (let length = Math.min(before.length, maxLength - 1); length >= 0; length--) {
      for (const [source, grams] of sources.entries()) {
        const counts = grams.followers.get(before.slice(before.length - length).join(' '));
        if (counts === undefined) continue;
        const after = new Followers(vocabulary);
        after.counts.set([...counts.values()]);
        after.size = after.distinct = counts.size;
        after.total = [...counts.values()].reduce((sum, count) => sum + count, 0);
        asked.push([escapeClass(source, length, after), (counts.get(token) ?? 0) / after.total]);
      }
    }
    return asked;
  });
}

/** Expectation-maximisation as the formula says it: the expert that gave the token is drawn from the posterior. */
function expectedWeights(tokens: readonly Asked[]): number[] {
  let escapes = usualEscapes;
  for (let round = 0; round < 8; round++) {
    const asked = escapes.map(() => prior);
    const passed = usualEscapes.map((usual) => prior * usual);
    for (const contexts of tokens) {
      const chances = contexts.map(([at, share], i) => {
        const reached = contexts.slice(0, i).reduce((mass, [other]) => mass * (escapes[other] as number), 1);
        return reached * (1 - (escapes[at] as number)) * share;
      });
      const rest = contexts.reduce((mass, [at]) => mass * (escapes[at] as number), 1) * 1e-5;
      const total = chances.reduce((sum, chance) => sum + chance, rest);
      for (const [i, [at]] of contexts.entries()) {
        const later = chances.slice(i + 1).reduce((sum, chance) => sum + chance, rest) / total;
        asked[at] = (asked[at] as number) + later + (chances[i] as number) / total;
        passed[at] = (passed[at] as number) + later;
      }
    }
    escapes = passed.map((count, at) => count / (asked[at] as number));
  }
  return encodeEscapes(escapes);
}

test('a fit is what expectation-maximisation gives with pools built without the document', () => {
  fc.assert(
    fc.property(documents, documents, fc.nat(2), fc.boolean(), (cohort, others, skip, capped) => {
      // a cap can leave a cohort's documents out of the shared pool
      const shared = capped ? others : [...cohort, ...others];
      const fit = new EscapeFit(maxLength, skip);
      const ids = cohort.map((document) => Int32Array.from(document));
      fit.add(ids, fit.judge(ids, pool(cohort)));
      const tokens = cohort.flatMap((document) =>
        contextsOf(document, skip, cohort, capped ? [document, ...others] : shared),
      );
      const weights = fit.weights(pool(shared), new Set(capped ? [] : ids));
      const expected = expectedWeights(tokens);
      // sums in another order can round to the next unit
      for (const [at, weight] of weights.entries())
        assert.ok(Math.abs(weight - (expected[at] as number)) <= 1, `class ${at}`);
    }),
    { numRuns: 50 },
  );
});

test('what only a long context decides, and decides well, is trusted more than usual', () => {
  // families of forty texts with tokens of their own
  const cohort = Array.from({ length: 800 }, (_, i) =>
    (i % 2 === 0 ? [1, 2, 3, 4, 7] : [5, 2, 3, 6, 7]).map((token) => token + 10 * Math.floor(i / 40)),
  );
  const fit = new EscapeFit(maxLength, 0);
  const ids = cohort.map((document) => Int32Array.from(document));
  fit.add(ids, fit.judge(ids, pool(cohort)));
  const weights = fit.weights(pool(cohort), new Set(ids));
  const after = new Followers(1);
  after.total = 19;
  after.distinct = after.size = 1;
  after.counts[0] = 19;
  const at = escapeClass(0, 3, after);
  const fitted = weights[at] as number;
  const usual = encodeEscapes(usualEscapes)[at] as number;
  assert.ok(fitted < 0.8 * usual, `${fitted} instead of ${usual}`);
});

test('the choice of documents: bounded, the same in any order', () => {
  const texts = Array.from({ length: 50 }, (_, i) => Int32Array.of(i, i + 1, i * i, 7));
  const chosen = chooseForFit(texts, 37);
  assert.is(chosen.length, 10);
  assert.equal(chooseForFit([...texts].reverse(), 37), chosen);
  assert.equal(new Set(chooseForFit(texts, 1000)), new Set(texts), 'all, where there are few');
  assert.equal(chooseForFit([], 1000), []);
});

test.run();
