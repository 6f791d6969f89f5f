import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StopMatcher, type StoppedText } from '../../src/decode/stop.js';
import { references, tokenizer } from './fixture.js';

/** Feeds the tokens one by one; what the first match says, and the number of tokens it took. */
function feed(
  stops: readonly string[],
  ids: Iterable<number>,
  detokenise: (ids: readonly number[]) => string,
) {
  const matcher = new StopMatcher(stops, detokenise);
  const settled: number[] = [];
  let seen = 0;
  for (const id of ids) {
    seen++;
    settled.push(matcher.settled);
    const stopped = matcher.append(id);
    if (stopped !== undefined) return { stopped, seen, settled };
  }
  return { stopped: undefined, seen, settled };
}

/** Pieces as a byte-level tokenizer has them: the text is that of the joined bytes. */
const bytes = (pieces: readonly (string | number[])[]) => {
  const known = pieces.map((piece) =>
    Buffer.from(typeof piece === 'string' ? [...Buffer.from(piece)] : piece),
  );
  return (ids: readonly number[]) => Buffer.concat(ids.map((id) => known[id] as Buffer)).toString('utf8');
};

const euro = [0xe2, 0x82, 0xac];
const table: [string, (string | number[])[], string[], StoppedText | undefined][] = [
  ['a stop string that is a token', ['Hi', ' there', '##', ' more'], ['##'], { text: 'Hi there', tokens: 2 }],
  ['over two tokens', ['Hi', ' th#', '# more'], ['##'], { text: 'Hi th', tokens: 1 }],
  ['over three tokens', ['Hi', '<', 'end', '>', '!'], ['<end>'], { text: 'Hi', tokens: 1 }],
  ['inside a token', ['Hi', ' one.two', ' three'], ['.'], { text: 'Hi one', tokens: 1 }],
  ['ending inside a token, begun before it', ['Hi', '\n', '\n\nQ'], ['\n\n'], { text: 'Hi', tokens: 1 }],
  ['at the very start', ['##', 'Hi'], ['##'], { text: '', tokens: 0 }],
  ['the whole first token and more', ['#', '#Hi'], ['##'], { text: '', tokens: 0 }],
  ['none', ['Hi', ' #', ' #'], ['##'], undefined],
  ['in another case', ['Hi', ' end'], ['END'], undefined],
  [
    'a beginning that goes on otherwise',
    ['a', 'ab', 'aab', 'c'],
    ['aac', 'aabc'],
    { text: 'aab', tokens: 2 },
  ],
  ['the first of two', ['x', ' one', ' two'], ['two', 'one'], { text: 'x ', tokens: 1 }],
  [
    'two that one token completes: the one that begins first',
    ['x', 'abc'],
    ['c', 'ab'],
    { text: 'x', tokens: 1 },
  ],
  [
    'one inside another: the shorter is complete first',
    ['x', 'a', 'b', 'c'],
    ['abc', 'b'],
    { text: 'xa', tokens: 2 },
  ],
  ['an accent', ['Bras', 'ília', ' é', ' x'], ['é'], { text: 'Brasília ', tokens: 2 }],
  ['a character in pieces', ['5', ' ', [0xe2], [0x82], [0xac], '!'], ['€'], { text: '5 ', tokens: 2 }],
  [
    'a character in pieces before it',
    ['5', euro.slice(0, 2), [0xac, 0x2e], ' x'],
    ['.'],
    { text: '5€', tokens: 1 },
  ],
  [
    'a character in pieces right before it',
    ['5', euro.slice(0, 1), euro.slice(1), '.'],
    ['.'],
    { text: '5€', tokens: 3 },
  ],
  [
    'outside of the basic plane',
    ['so ', [0xf0, 0x9f], [0x98, 0x80], ' x'],
    ['😀'],
    { text: 'so ', tokens: 1 },
  ],
  ['tokens without a text', ['a', [], [], 'b', '.'], ['b.'], { text: 'a', tokens: 3 }],
];
for (const [name, pieces, stops, expected] of table) {
  test(`stop strings: ${name}`, () => {
    assert.equal(feed(stops, pieces.keys(), bytes(pieces)).stopped, expected);
  });
}

const texts = references.map(({ output_ids: ids }) => ids.slice(0, -1));

test('texts of the model end where looking at the whole text after each token says, as early as it says', () => {
  const decode = (ids: readonly number[]) => tokenizer.decode(ids);
  let found = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      (ids, cuts, spoilt) => {
        const whole = decode(ids);
        const stops = cuts.map(([at, length]) => {
          const start = at % whole.length;
          const stop = whole.slice(start, start + length);
          return spoilt ? `${stop}~` : stop;
        });
        const { stopped, seen, settled } = feed(stops, ids, decode);
        const prefixes = Array.from({ length: ids.length }, (_, i) => decode(ids.slice(0, i + 1)));
        const expected = prefixes.findIndex((text) => stops.some((stop) => text.includes(stop)));
        if (expected < 0) {
          assert.is(stopped, undefined);
          return;
        }
        found++;
        assert.is(seen, expected + 1);
        const text = prefixes[expected] as string;
        const at = Math.min(...stops.map((stop) => text.indexOf(stop)).filter((start) => start >= 0));
        assert.is(stopped?.text, text.slice(0, at));
        const tokens = prefixes.filter((prefix, i) => i < expected && prefix.length <= at).length;
        assert.is(stopped?.tokens, tokens);
        for (const count of settled)
          assert.ok(count <= tokens, `${count} tokens settled, ${tokens} are left`);
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(found > 50, `only ${found} texts were ended`);
});

test('only the end of a text is looked at', () => {
  let looked = 0;
  const ids = texts.flat();
  feed(['~~~'], ids, (some) => {
    looked += some.length;
    return tokenizer.decode(some);
  });
  assert.ok(looked < ids.length * 40, `${looked / ids.length} tokens decoded per token`);
});

test.run();
