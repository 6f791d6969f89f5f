import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RecentTexts } from '../../src/text/recent-texts.js';

/** Ids that tell texts apart. */
const idsOf = (text: string) => [...text].map((character) => character.charCodeAt(0));

test('whatever comes in whatever order: the ids are those of the text', () => {
  const text = fc.oneof(fc.constantFrom('', 'a', 'b', 'examples'), fc.string(), fc.nat(2000).map(String));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 3000, size: 'max' }), (texts) => {
      const recent = new RecentTexts<readonly number[]>();
      for (const one of texts)
        assert.equal(
          recent.of(one, () => idsOf(one)),
          idsOf(one),
        );
    }),
    { numRuns: 20 },
  );
});

test('what comes again and again is encoded once, what comes once is forgotten', () => {
  const recent = new RecentTexts<readonly number[]>();
  let encoded = 0;
  const ask = (text: string) =>
    recent.of(text, () => {
      encoded++;
      return idsOf(text);
    });
  for (let i = 0; i < 5000; i++) {
    ask('examples');
    ask(`question ${i}`);
  }
  assert.is(encoded, 5001);
  ask('question 0');
  assert.is(encoded, 5002);
});

test('a long text is encoded each time', () => {
  const recent = new RecentTexts<readonly number[]>();
  const long = 'x'.repeat(20_000);
  let encoded = 0;
  for (let i = 0; i < 3; i++)
    recent.of(long, () => {
      encoded++;
      return [];
    });
  assert.is(encoded, 3);
});

test.run();
