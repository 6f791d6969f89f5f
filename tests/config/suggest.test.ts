import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { editDistance, nearest } from '../../src/config/suggest.js';

/** The recursive definition, without tables. */
function slowDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const [shortA, shortB] = [a.slice(0, -1), b.slice(0, -1)];
  let best = Math.min(
    slowDistance(shortA, b) + 1,
    slowDistance(a, shortB) + 1,
    slowDistance(shortA, shortB) + (a.at(-1) === b.at(-1) ? 0 : 1),
  );
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    best = Math.min(best, slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return best;
}

test('the distance is that of its definition', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
  fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b)));
});

const KEYS = ['mode', 'maxNewTokens', 'topK', 'minProb', 'nodes'];
const SUGGESTIONS: readonly [word: string, suggestion: string | undefined][] = [
  ['mdoe', 'mode'],
  ['Mode', 'mode'],
  ['top_k', 'topK'],
  ['max-new-tokens', 'maxNewTokens'],
  ['maxTokens', 'maxNewTokens'],
  ['node', 'mode'],
  ['nodess', 'nodes'],
  ['temperature', undefined],
  ['x', undefined],
  ['', undefined],
];

test('the nearest word is suggested, and none when none is near', () => {
  for (const [word, suggestion] of SUGGESTIONS) assert.is(nearest(word, KEYS), suggestion, word);
});

test.run();
