import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pauseFor } from '../../src/cohorts/graph.js';
import { drawn, kMeans, nearest, type Points } from '../../src/cohorts/kmeans.js';
import { draw } from '../segment/data.js';

const pause = pauseFor(() => undefined);

function pointsOf(rows: readonly (readonly number[])[]): Points {
  const width = rows[0]?.length ?? 0;
  const seeds = Uint32Array.from(rows, (_, n) => Math.floor(draw(n) * 2 ** 32));
  return { width, values: Float64Array.from(rows.flat()), seeds };
}

const corners = [
  [0, 0],
  [9, 0],
  [0, 9],
  [9, 9],
];
const blobs = Array.from({ length: 400 }, (_, n) =>
  (corners[n % 4] as number[]).map((x, k) => x + draw(2 * n + k) - 0.5),
);

test('centres are the means of the points that are nearest to them', async () => {
  const points = pointsOf(blobs);
  for (const sampleSize of [50, 20_000]) {
    const centres = await kMeans(points, { groups: 4, sampleSize }, pause);
    const found = blobs.map((_, n) => nearest(centres, 2, points.values, 2 * n).cluster);
    for (const corner of [0, 1, 2, 3]) {
      const members = blobs.filter((_, n) => n % 4 === corner);
      const cluster = found[corner] as number;
      assert.ok(found.every((of, n) => (of === cluster) === (n % 4 === corner)));
      for (const k of [0, 1]) {
        const mean = members.reduce((sum, row) => sum + (row[k] as number), 0) / members.length;
        assert.ok(Math.abs((centres[2 * cluster + k] as number) - mean) < 1e-12);
      }
    }
  }
});

test('more groups than different points: some centres are the same, ties go to the first', async () => {
  const points = pointsOf([[1], [1], [5]]);
  const centres = await kMeans(points, { groups: 3 }, pause);
  assert.equal([...new Set(centres)].sort(), [1, 5]);
  const { cluster, squared } = nearest(centres, 1, points.values, 0);
  assert.equal([cluster, squared], [centres.indexOf(1), 0]);
});

test('property: the places of the smallest numbers, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 30 }),
      (list, count) => {
        const most = [...list].sort((a, b) => a - b)[Math.min(count, list.length) - 1] as number;
        const expected = [...list.keys()].filter((place) => (list[place] as number) <= most);
        assert.equal([...drawn(Uint32Array.from(list), count)], expected);
      },
    ),
  );
});

test.run();
