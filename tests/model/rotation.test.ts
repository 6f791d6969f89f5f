import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rotation } from '../../src/model/rotation.js';

const sizes = [1, 2, 3, 8, 12, 25, 48, 96];

test('a rotation keeps lengths, and its inverse brings every row back', () => {
  for (const size of sizes) {
    const rotation = new Rotation(size);
    const inverse = rotation.inverse();
    const row = fc.array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: size, maxLength: size });
    fc.assert(
      fc.property(row, (values) => {
        const rotated = Float32Array.from(values);
        rotation.rotate(rotated, 1);
        assert.ok(Math.abs(Math.hypot(...rotated) - Math.hypot(...values)) < 1e-4);
        values.forEach((value, column) => {
          const back = rotated.reduce((sum, x, at) => sum + x * (inverse[at * size + column] as number), 0);
          assert.ok(Math.abs(back - value) < 1e-4, `size ${size}, column ${column}: ${value} became ${back}`);
        });
      }),
      { numRuns: 20 },
    );
  }
});

test('columns are rotated as rows are', () => {
  const rotation = new Rotation(12);
  const columns = Float32Array.from({ length: 12 * 5 }, (_, at) => Math.sin(at));
  const rows = Array.from({ length: 5 }, (_, column) =>
    Float32Array.from({ length: 12 }, (_, row) => columns[row * 5 + column] as number),
  );
  rotation.rotate(columns, 5);
  rows.forEach((row, column) => {
    rotation.rotate(row, 1);
    row.forEach((value, at) => {
      assert.ok(Math.abs(value - (columns[at * 5 + column] as number)) < 1e-6);
    });
  });
});

test('one large channel is spread over all', () => {
  const rotation = new Rotation(96);
  const row = Float32Array.from({ length: 96 }, (_, at) => (at === 17 ? 100 : 0));
  rotation.rotate(row, 1);
  assert.ok(Math.max(...row.map(Math.abs)) < 20, `${Math.max(...row.map(Math.abs))}`);
});

test.run();
