/** The graph of likes and its spectral embedding, against a dense matrix. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { symmetricEigen } from '../../src/cohorts/eigen.js';
import { embedItems, placeUser } from '../../src/cohorts/embedding.js';
import { pauseFor, usersOf } from '../../src/cohorts/graph.js';
import { dimensions } from '../../src/cohorts/like-pass.js';
import { draw } from '../segment/data.js';
import { graphOf, type Like } from './graph.js';

const pause = pauseFor(() => undefined);
const seedsFor = (count: number) => Uint32Array.from({ length: count }, (_, n) => 7919 * n + 1);

/** Users 1, 3, 5, .. of three tastes; those between have too few likes, item 0 has none. */
const users = 61;
const items = 22;
const likes: Like[] = [];
for (let user = 0; user < users; user++) {
  for (let item = 1; item < items; item++) {
    const luck = draw(user * 1000 + item);
    const liked = user % 2 === 1 ? luck < (item % 3 === user % 3 ? 0.8 : 0.15) : item === 1;
    if (liked) likes.push([user, item, 1 + Math.floor(draw(user * 977 + item) * 65536)]);
  }
}
const kept = likes.filter(([user]) => user % 2 === 1);

test('users with too few likes are left out: neither their likes nor their weights count', async () => {
  const graph = await graphOf(users, items, likes, 2);
  assert.equal([...usersOf(graph)], [...new Set(kept.map(([user]) => user))]);
  assert.equal(
    [...graph.items],
    kept.map(([, item]) => item),
  );
  assert.equal(
    [...graph.weights],
    kept.map(([, , weight]) => weight),
  );
  const degrees = new Array<number>(items).fill(0);
  for (const [, item, weight] of kept) degrees[item] = (degrees[item] as number) + weight;
  assert.equal([...graph.itemDegrees], degrees);
  const { users: count, items: liked, edges } = graph.size;
  assert.equal([count, liked, edges], [30, 21, kept.length]);
});

test('singular values and vectors are those of the dense matrix', async () => {
  const graph = await graphOf(users, items, likes, 2);
  const degreeOf = (of: 0 | 1, n: number) =>
    kept.reduce((sum, like) => sum + (like[of] === n ? like[2] : 0), 0);
  const matrix = Array.from({ length: users }, () => new Array<number>(items).fill(0));
  for (const [user, item, weight] of kept)
    (matrix[user] as number[])[item] = weight / Math.sqrt(degreeOf(0, user) * degreeOf(1, item));
  const squared = Array.from({ length: items }, (_, a) =>
    Array.from({ length: items }, (_, b) =>
      matrix.reduce((sum, row) => sum + (row[a] as number) * (row[b] as number), 0),
    ),
  );
  const { values, vectors } = symmetricEigen(squared);
  const embedding = await embedItems(graph, seedsFor(items), pause);
  const { singularValues } = embedding;
  assert.is(singularValues.length, dimensions);
  const sum = matrix.flat().reduce((all, x) => all + x * x, 0);
  assert.ok(Math.abs(graph.size.squareSum - sum) < 1e-9);
  // the structure has converged, the noise hardly matters
  for (let k = 0; k < 3; k++) {
    const expected = Math.sqrt(values[k] as number);
    assert.ok(Math.abs((singularValues[k] as number) - expected) < 1e-4, `${k}: ${singularValues[k]}`);
  }
  const place = new Float64Array(2);
  const places = [...usersOf(graph)].map((user) => {
    placeUser(graph, embedding, user, 2, place, 0);
    return [...place];
  });
  const size = Math.sqrt(graph.size.users);
  for (const k of [1, 2]) {
    const expected = [...usersOf(graph)].map((user) =>
      (matrix[user] as number[]).reduce((all, x, item) => all + x * (vectors[k]?.[item] as number) * size, 0),
    );
    const found = places.map((of) => of[k - 1] as number);
    const sign = Math.sign(expected.reduce((all, x, n) => all + x * (found[n] as number), 0));
    for (const [n, x] of expected.entries())
      assert.ok(Math.abs(x - sign * (found[n] as number)) < 0.02, `${k} ${n}: ${x} ${found[n]}`);
  }
});

test('a stop between two pieces of work', async () => {
  const graph = await graphOf(users, items, likes, 2);
  let pauses = 0;
  const stop = pauseFor(() => {
    if (++pauses === 3) throw new Error('stopped');
  });
  try {
    await embedItems(graph, seedsFor(items), stop);
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'stopped');
  }
});

test.run();
