import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { philox, type StreamKey, streamKey, uniform } from '../../src/decode/random.js';

// the known answers of the authors' Random123 library for philox4x32, 10 rounds
const known: [Parameters<typeof philox>[0], [number, number], number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test('philox gives the known answers', () => {
  for (const [counter, key, answer] of known) assert.equal(philox(counter, key), answer);
});

test('streams are decided by seed and prompt id, and differ where either does', () => {
  assert.equal(streamKey(1, 'kar:item:7'), streamKey(1, 'kar:item:7'));
  const keys = [
    streamKey(1, 'a'),
    streamKey(2, 'a'),
    streamKey(1, 'b'),
    streamKey(1, '1a'),
    streamKey(11, 'a'),
  ];
  assert.is(new Set(keys.map(String)).size, keys.length);
  assert.is(uniform(streamKey(3, 'x'), 5), uniform(streamKey(3, 'x'), 5));
});

test('numbers lie in [0, 1), and positions of a stream and streams of neighbours are independent', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), fc.nat(), (seed, id, position) => {
      const number = uniform(streamKey(seed, id), position);
      assert.ok(number >= 0 && number < 1);
    }),
  );
  const count = 16_000;
  const bins = 16;
  const along = (number: (i: number) => number) => {
    // pairs of neighbours in 16 x 16 cells
    const cells = new Float64Array(bins * bins);
    for (let i = 0; i < count; i++) {
      const cell = Math.floor(number(2 * i) * bins) * bins + Math.floor(number(2 * i + 1) * bins);
      cells[cell] = (cells[cell] as number) + 1;
    }
    const expected = count / cells.length;
    return cells.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
  };
  const key: StreamKey = streamKey(0, 'one');
  // chi-square with 255 degrees of freedom exceeds 330.5 once in a thousand times
  assert.ok(along((i) => uniform(key, i)) < 330.5);
  assert.ok(along((i) => uniform(streamKey(0, `kar:user:${i}`), 0)) < 330.5);
});

test.run();
