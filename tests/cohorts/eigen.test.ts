import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { symmetricEigen } from '../../src/cohorts/eigen.js';
import { whitening } from '../../src/cohorts/whitening.js';

const close = (a: number, b: number, scale = 1) => Math.abs(a - b) <= 1e-9 * scale;
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, x, k) => sum + x * (b[k] as number), 0);
const times = (m: readonly (readonly number[])[], v: readonly number[]) => m.map((row) => dot(row, v));

/** Inner products of random vectors: as many as `rank` independent ones. */
const gramMatrix = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  .chain(([size, rank]) =>
    fc.array(fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: rank, maxLength: rank }), {
      minLength: size,
      maxLength: size,
    }),
  )
  .map((vectors) => vectors.map((a) => vectors.map((b) => dot(a, b))));

test('eigenpairs of matrices known by heart', () => {
  const table: [number[][], number[]][] = [
    [[[3]], [3]],
    [
      [
        [2, 1],
        [1, 2],
      ],
      [3, 1],
    ],
    [
      [
        [0, 0],
        [0, 0],
      ],
      [0, 0],
    ],
    [
      [
        [2, -1, 0],
        [-1, 2, -1],
        [0, -1, 2],
      ],
      [2 + Math.SQRT2, 2, 2 - Math.SQRT2],
    ],
  ];
  for (const [matrix, expected] of table) {
    symmetricEigen(matrix).values.forEach((value, k) => {
      assert.ok(close(value, expected[k] as number), `${value} is ${expected[k]}`);
    });
  }
});

test('property: A v = lambda v, unit and orthogonal vectors, descending values, a fixed sign', () => {
  fc.assert(
    fc.property(gramMatrix, (matrix) => {
      const { values, vectors } = symmetricEigen(matrix);
      const scale = 1 + Math.max(...matrix.flat().map(Math.abs));
      vectors.forEach((v, a) => {
        const image = times(matrix, v);
        for (const [k, x] of v.entries())
          assert.ok(close(image[k] as number, (values[a] as number) * x, scale));
        vectors.forEach((w, b) => {
          assert.ok(close(dot(v, w), a === b ? 1 : 0));
        });
        assert.ok(Math.max(...v) >= -Math.min(...v));
        if (a > 0) assert.ok((values[a - 1] as number) >= (values[a] as number));
      });
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('property: whitened components are orthonormal, the first keeps its direction, the rest is zero', () => {
  fc.assert(
    fc.property(gramMatrix, (gram) => {
      fc.pre((gram[0]?.[0] as number) > 0.01 && gram.every((row, k) => (row[k] as number) < 1e4));
      const { columns, lengths } = whitening(gram);
      columns.forEach((a, i) => {
        columns.forEach((b, j) => {
          const expected = i === j && (lengths[i] as number) > 0 ? 1 : 0;
          assert.ok(
            Math.abs(dot(a, times(gram, b)) - expected) < 1e-4,
            `${i} ${j}: ${dot(a, times(gram, b))}`,
          );
        });
      });
      assert.ok((columns[0] as number[]).slice(1).every((x) => x === 0));
    }),
    { seed: 1, numRuns: 200 },
  );
});

test('components without a first one are refused', () => {
  assert.throws(() => whitening([[0]]), /the first component has no length/);
});

test.run();
