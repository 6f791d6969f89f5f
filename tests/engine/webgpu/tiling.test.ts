/** Tilings of matmul-matrix: what the kernel can take, for any product, and the measured choices. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tilingFor } from '../../../src/engine/webgpu/tiling.js';

/** rows, outputs, inputs: the fastest of 13 tilings on an H200, side and piece. */
const measured: readonly (readonly [number, number, number, number, number])[] = [
  [64, 960, 576, 32, 192],
  [256, 960, 576, 32, 96],
  [512, 960, 576, 64, 96],
  [1024, 960, 576, 64, 64],
  [192, 576, 576, 32, 192],
  [384, 576, 576, 32, 96],
  [1024, 576, 576, 32, 64],
  [128, 3072, 576, 32, 96],
  [192, 3072, 576, 32, 64],
  [256, 3072, 576, 64, 64],
  [1024, 3072, 576, 64, 64],
  [64, 576, 1536, 32, 256],
  [192, 576, 1536, 32, 256],
  [256, 576, 1536, 32, 128],
  [512, 576, 1536, 64, 128],
  [1024, 576, 1536, 32, 64],
  [512, 49_152, 576, 64, 64],
];

test('products of a decoder of 576 get the tilings that were the fastest', () => {
  for (const [rows, outputs, inputs, side, piece] of measured) {
    const tiling = tilingFor(rows, outputs, inputs, 49_152);
    assert.equal([tiling?.side, tiling?.piece], [side, piece], `${rows} x ${outputs} x ${inputs}`);
  }
});

test('the kernel can take every tiling', () => {
  const size = fc.integer({ min: 1, max: 4000 });
  const memories = fc.constantFrom(0, 16_384, 32_768, 49_152);
  fc.assert(
    fc.property(size, size, fc.integer({ min: 1, max: 400 }), memories, (rows, outputs, eights, memory) => {
      const inputs = eights * 8;
      const tiling = tilingFor(rows, outputs, inputs, memory);
      if (inputs % 32 !== 0 || memory === 0) {
        assert.is(tiling, undefined);
        return;
      }
      if (tiling === undefined) throw new Error(`none for ${inputs} inputs`);
      const { side, piece, parts } = tiling;
      const subgroups = (side / 32) ** 2 * parts;
      assert.is(inputs % piece, 0, 'pieces are whole');
      // matmul-matrix.wgsl: LOADS and STEPS
      assert.is(((side * piece) / 8) % (subgroups * 32), 0, 'threads bring equally many eights');
      assert.is((piece / 16) % parts, 0, 'subgroups multiply equally many matrices');
      assert.ok(subgroups * 32 <= 256, 'threads of a workgroup');
      assert.ok(2 * side * (piece / 8 + 1) * 16 + side * 4 <= memory, 'memory of a workgroup');
    }),
  );
});

test.run();
