import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type BlockBits,
  dequantizeBlocks,
  type QuantizedBlocks,
  quantizeBlocks,
  quantizeRows,
} from '../../src/model/quantize.js';

/** Relative slack for sums and products in float32. */
const slack = 1 + 1e-5;
/** Values that may be taken as zeros. */
const negligible = 1e-35;

const matrix = fc
  .record({ outputs: fc.integer({ min: 1, max: 4 }), inputs: fc.integer({ min: 1, max: 80 }) })
  .chain(({ outputs, inputs }) =>
    fc.record({
      inputs: fc.constant(inputs),
      values: fc
        .array(fc.oneof(fc.constant(0), fc.float({ min: -4, max: 4, noNaN: true })), {
          minLength: outputs * inputs,
          maxLength: outputs * inputs,
        })
        .map((values) => Float32Array.from(values)),
    }),
  );
const settings = fc.record({
  bits: fc.constantFrom<BlockBits>(4, 8),
  block: fc.constantFrom(16, 32, 64),
});

test('a quantised row is at most half a scale away from its values', () => {
  fc.assert(
    fc.property(matrix, ({ values, inputs }) => {
      const { codes, scales } = quantizeRows(values, inputs);
      values.forEach((value, at) => {
        const scale = scales[Math.floor(at / inputs)] as number;
        const found = (codes[at] as number) * scale;
        const bound = scale === 0 ? negligible : (scale / 2) * slack;
        assert.ok(Math.abs(found - value) <= bound, `${value} became ${found} with scale ${scale}`);
        assert.ok(Math.abs(codes[at] as number) <= 127);
      });
    }),
  );
});

/** All codes of some bytes, `bits` each, the first one in the lowest bits: by way of binary digits. */
function codesIn(bytes: Uint8Array, bits: BlockBits): number[] {
  const digits = [...bytes]
    .reverse()
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  const codes: number[] = [];
  for (let end = digits.length; end > 0; end -= bits)
    codes.push(Number.parseInt(digits.slice(end - bits, end), 2));
  return codes;
}

/** The parts of `all` that belong to each of `count` neighbours. */
function shares(all: Uint8Array, count: number): Uint8Array[] {
  const size = all.length / count;
  return Array.from({ length: count }, (_, at) => all.subarray(at * size, (at + 1) * size));
}

test('quantised blocks lie as MatMulNBits reads them, and padding stands for zero', () => {
  fc.assert(
    fc.property(matrix, settings, ({ values, inputs }, { bits, block }) => {
      const quantized: QuantizedBlocks = quantizeBlocks(values, inputs, bits, block);
      const outputs = values.length / inputs;
      const blocks = Math.ceil(inputs / block);
      assert.is(quantized.packed.length, (outputs * blocks * block * bits) / 8);
      assert.is(quantized.scales.length, outputs * blocks);
      assert.is(quantized.zeroPoints.length, outputs * Math.ceil((blocks * bits) / 8));
      const zeroRows = shares(quantized.zeroPoints, outputs).map((bytes) => codesIn(bytes, bits));
      const found = dequantizeBlocks(quantized, inputs, bits, block);
      shares(quantized.packed, outputs * blocks).forEach((bytes, index) => {
        const row = Math.floor(index / blocks);
        const at = index % blocks;
        const zero = zeroRows[row]?.[at] as number;
        codesIn(bytes, bits).forEach((code, i) => {
          const input = at * block + i;
          const value = Math.fround((code - zero) * (quantized.scales[index] as number));
          if (input < inputs) assert.is(found[row * inputs + input], value);
          else assert.is(code, zero);
        });
      });
    }),
  );
});

test('quantised blocks are at most half a step away within their range, and better than the whole range', () => {
  fc.assert(
    fc.property(matrix, settings, ({ values, inputs }, { bits, block }) => {
      const found = dequantizeBlocks(quantizeBlocks(values, inputs, bits, block), inputs, bits, block);
      const most = 2 ** bits - 1;
      for (let start = 0; start < values.length; start += inputs) {
        for (let from = start; from < start + inputs; from += block) {
          const end = Math.min(from + block, start + inputs);
          const part = [...values.subarray(from, end)];
          const step = (Math.max(0, ...part) - Math.min(0, ...part)) / most;
          const errors = part.map((value, i) => value - (found[from + i] as number));
          const squares = errors.reduce((sum, error) => sum + error * error, 0);
          // the whole range without a zero point that is rounded is off by half a step, with it by a whole one
          assert.ok(squares <= part.length * (step * slack) ** 2 + negligible ** 2, `${part}: ${errors}`);
          const reached = part.map((_, i) => found[from + i] as number);
          const low = Math.min(0, ...reached);
          const high = Math.max(0, ...reached);
          part.forEach((value, i) => {
            if (value < low || value > high) return;
            assert.ok(
              Math.abs(errors[i] as number) <= (step / 2) * slack + negligible,
              `${value}, step ${step}`,
            );
          });
        }
      }
    }),
  );
});

test("cutting a block's extremes off pays where finer steps save more than that costs", () => {
  // one value far out: the whole range gives steps of 0.1, in which 0.05 is lost
  const values = Float32Array.from({ length: 64 }, (_, i) => (i === 0 ? 1.5 : i % 2 === 0 ? 0.24 : 0.16));
  const found = dequantizeBlocks(quantizeBlocks(values, 64, 4, 64), 64, 4, 64);
  const squares = (other: ArrayLike<number>) =>
    values.reduce((sum, value, i) => sum + (value - (other[i] as number)) ** 2, 0);
  const whole = values.map((value) => Math.round(value / 0.1) * 0.1);
  assert.ok(squares(found) < squares(whole) * 0.9, `${squares(found)} against ${squares(whole)}`);
});

test('blocks of zeros are zeros again', () => {
  for (const bits of [4, 8] as const) {
    const found = dequantizeBlocks(quantizeBlocks(new Float32Array(96), 48, bits, 32), 48, bits, 32);
    assert.equal([...found], [...new Float32Array(96)]);
  }
});

test.run();
