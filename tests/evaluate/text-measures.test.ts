import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  commonSubsequence,
  distinct,
  rougeL,
  samePlaces,
  wordsOf,
} from '../../src/evaluate/text-measures.js';

const words = (text: string) => text.split(' ').filter((word) => word !== '');

test('words are runs of letters and digits in lower case, of any script', () => {
  for (const [text, expected] of [
    ['A warm, well-paced drama (1994).', ['a', 'warm', 'well', 'paced', 'drama', '1994']],
    ['"Élan" и Жизнь!', ['élan', 'и', 'жизнь']],
    [' \n…', []],
  ] as const)
    assert.equal(wordsOf(text), [...expected]);
});

test('ROUGE-L: F1 of the longest common subsequence', () => {
  for (const [reference, text, expected] of [
    ['police killed the gunman', 'police killed the gunman', 1],
    // the examples of the paper, section 3.1
    ['police killed the gunman', 'police kill the gunman', 3 / 4],
    ['police killed the gunman', 'the gunman kill police', 2 / 4],
    ['a b c d', 'a c', (2 * 2) / 6],
    ['a b', 'c d', 0],
    ['', '', 1],
    ['a', '', 0],
    ['', 'a', 0],
  ] as const)
    assert.is(rougeL(words(reference), words(text)), expected, `${reference} | ${text}`);
});

/** Tries every subsequence of `a`. */
function longestByTrying(a: readonly string[], b: readonly string[]): number {
  let longest = 0;
  for (let mask = 0; mask < 2 ** a.length; mask++) {
    const chosen = a.filter((_, i) => (mask >> i) & 1);
    let at = 0;
    for (const word of b) if (word === chosen[at]) at++;
    if (at === chosen.length) longest = Math.max(longest, chosen.length);
  }
  return longest;
}

const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 9 });

test('the longest common subsequence is that which trying all of them finds', () => {
  fc.assert(fc.property(text, text, (a, b) => commonSubsequence(a, b) === longestByTrying(a, b)));
});

test('distinct-n: different runs over all runs, of all texts together', () => {
  for (const [texts, n, expected] of [
    [['a b a b'], 1, 2 / 4],
    [['a b a b'], 2, 2 / 3],
    [['a b', 'a b'], 2, 1 / 2],
    // a run doesn't go on into the next text
    [['a', 'b'], 2, null],
    [['a b c', 'c a'], 2, 3 / 3],
    [[], 1, null],
  ] as const)
    assert.is(distinct(texts.map(words), n), expected, `${texts} ${n}`);
});

test('distinct-n is that of a list in which every run is looked for among those before', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), fc.integer({ min: 1, max: 3 }), (texts, n) => {
      const runs = texts.flatMap((one) =>
        one.slice(0, Math.max(0, one.length - n + 1)).map((_, i) => one.slice(i, i + n)),
      );
      const fresh = runs.filter(
        (run, i) => !runs.slice(0, i).some((other) => other.every((word, j) => word === run[j])),
      );
      assert.is(distinct(texts, n), runs.length === 0 ? null : fresh.length / runs.length);
    }),
  );
});

test('tokens are compared place by place', () => {
  for (const [a, b, same, places] of [
    [[1, 2, 3], [1, 2, 3], 3, 3],
    [[1, 2, 3], [1, 3], 1, 3],
    [[1, 2], [0, 1, 2], 0, 3],
    [[], [], 0, 0],
  ] as const)
    assert.equal(samePlaces(a, b), { same, places });
});

test.run();
