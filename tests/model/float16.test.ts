import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { toFloat16 } from '../../src/model/float16.js';

/** IEEE 754: sign, five bits of exponent, ten of fraction. */
function decoded(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** All finite halves from the lowest to the highest. */
const halves = Array.from({ length: 0x7c00 }, (_, half) => half);

test('every half comes back from its value', () => {
  const values = Float32Array.from([...halves, 0x7c00].flatMap((half) => [decoded(half), -decoded(half)]));
  const expected = [...halves, 0x7c00].flatMap((half) => [half, half | 0x8000]);
  assert.equal([...toFloat16(values)], expected);
  assert.ok(Number.isNaN(decoded(toFloat16(Float32Array.of(Number.NaN))[0] as number)));
});

test('a value between two halves becomes the nearest, in the middle the even one', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...halves.slice(0, -1)),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (half, part) => {
        const [low, high] = [decoded(half), decoded(half + 1)];
        const value = Math.fround(low + (high - low) * part);
        const [down, up] = [value - low, high - value];
        const even = half % 2 === 0 ? half : half + 1;
        const expected = down < up ? half : down > up ? half + 1 : even;
        assert.equal([...toFloat16(Float32Array.of(value, -value))], [expected, expected | 0x8000]);
      },
    ),
  );
  fc.assert(
    fc.property(fc.constantFrom(...halves.slice(0, -1)), (half) => {
      const middle = (decoded(half) + decoded(half + 1)) / 2;
      assert.is(toFloat16(Float32Array.of(middle))[0], half % 2 === 0 ? half : half + 1);
    }),
  );
});

test('what is too large for a half is infinite', () => {
  assert.equal([...toFloat16(Float32Array.of(65_519, 65_520, -1e30))], [0x7bff, 0x7c00, 0xfc00]);
});

test.run();
