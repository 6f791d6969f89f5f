import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { marksOf } from '../../src/text/marks.js';

/** A tokenizer whose tokens are bytes. */
const bytes = (text: string) => [...Buffer.from(text)];
const decode = (ids: Int32Array) => Buffer.from(Uint8Array.from(ids)).toString();
const marked = (text: string, positions: number[]) =>
  marksOf(text, bytes(text), positions, decode).map(({ start, end }) => text.slice(start, end));

for (const [name, text, positions, expected] of [
  ['nothing', 'abc', [], []],
  ['the first and the last', 'abc', [0, 2], ['a', 'c']],
  ['neighbours together', 'abcd', [1, 2], ['bc']],
  ['a character of several tokens whole', 'aé🎬b', [1, 4], ['é🎬']],
  ['the last part of a character', 'aéb', [2], ['é']],
] as const) {
  test(`marks ${name}`, () => assert.equal(marked(text, [...positions]), expected));
}

test('tokens beyond the end of a text that a stop string cut off are not marked', () => {
  assert.equal(marksOf('ab', bytes('abc'), [1, 2], decode), [{ start: 1, end: 2 }]);
});

test('marks are in order, apart, within the text, and cover the characters of their tokens', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.array(fc.nat(30)), (text, places) => {
      const ids = bytes(text);
      const positions = [...new Set(places)].filter((place) => place < ids.length).sort((a, b) => a - b);
      let from = 0;
      const marks = marksOf(text, ids, positions, decode);
      for (const { start, end } of marks) {
        assert.ok(start >= from && end > start && end <= text.length);
        from = end;
      }
      const starts = [...text].map((_, i, all) => bytes(all.slice(0, i).join('')).length);
      for (const position of positions) {
        const character = starts.filter((start) => start <= position).length - 1;
        const place = [...text].slice(0, character).join('').length;
        assert.ok(
          marks.some(({ start, end }) => start <= place && place < end),
          `${position} of ${text}`,
        );
      }
    }),
  );
});

test.run();
