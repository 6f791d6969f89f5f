import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { symmetricEigen } from '../../src/cohorts/eigen.js';
import { type Clicks, type Features, predictClicks, usualTraining } from '../../src/evaluate/click-model.js';
import { components, coordinates } from '../../src/evaluate/components.js';
import { entityVectors, FeatureSpace } from '../../src/evaluate/features.js';
import { generator } from '../../src/evaluate/generator.js';
import { auc } from '../../src/evaluate/ranking.js';
import type { EvaluatedText } from '../../src/evaluate/rows.js';
import { errorOf } from '../lake/temporary.js';
import { plantedClicks, truth } from './planted.js';

const random = generator(11);
const vectors = Array.from({ length: 60 }, () =>
  Float64Array.from([5, 3, 1, 0.2], (size) => size * (random() - 0.5)),
);

test('components are the eigenvectors of the covariance, largest first', () => {
  const { mean, directions, spreads } = components(vectors, 3);
  const covariance = [0, 1, 2, 3].map((i) =>
    [0, 1, 2, 3].map((j) => {
      const products = vectors.map((v) => ((v[i] ?? 0) - (mean[i] ?? 0)) * ((v[j] ?? 0) - (mean[j] ?? 0)));
      return products.reduce((sum, one) => sum + one, 0) / vectors.length;
    }),
  );
  const eigen = symmetricEigen(covariance);
  for (let k = 0; k < 3; k++) {
    assert.ok(Math.abs((spreads[k] ?? 0) ** 2 - (eigen.values[k] ?? 0)) < 1e-6);
    const cosine = (directions[k] as Float64Array).reduce(
      (sum, x, i) => sum + x * (eigen.vectors[k]?.[i] ?? 0),
      0,
    );
    assert.ok(Math.abs(Math.abs(cosine) - 1) < 1e-4, `${cosine}`);
  }
  const all = vectors.map((vector) => coordinates(vector, { mean, directions, spreads }));
  for (let k = 0; k < 3; k++) {
    const square = all.reduce((sum, row) => sum + (row[k] ?? 0) ** 2, 0) / all.length;
    assert.ok(Math.abs(square - 1) < 1e-9);
  }
});

test('vectors that differ in fewer directions have fewer components; none have none', () => {
  const line = [1, 2, 3].map((x) => Float64Array.of(x, 2 * x, 0));
  assert.is(components(line, 3).directions.length, 1);
  assert.is(components([Float64Array.of(1, 2)], 3).directions.length, 0);
  assert.is(components([], 3).directions.length, 0);
});

const text = (entityType: string, entityId: string, framework: string, ...vector: number[]) =>
  ({ entityType, entityId, framework, vector: Float32Array.from(vector) }) as unknown as EvaluatedText;

const texts = [
  text('item', 'a', 'once', 3, 4),
  text('item', 'a', 'kar', 1, 2),
  text('item', 'b', 'kar', 5, 6),
  text('item', 'c', 'kar', -2, 7),
  text('user', 'u', 'kar', 7, 8),
];

test("an entity's vectors stand one after the other, by framework", () => {
  assert.equal(
    [...entityVectors(texts, 'item')].map(([id, vector]) => [id, [...vector]]),
    [
      ['a', [1, 2, 3, 4]],
      ['b', [5, 6, 0, 0]],
      ['c', [-2, 7, 0, 0]],
    ],
  );
  assert.equal([...(entityVectors(texts, 'user').get('u') ?? [])], [7, 8]);
});

test('features stand at the places of their entities; shuffled ones are the same ones elsewhere', () => {
  const places = {
    item: new Map([
      ['b', 0],
      ['z', 1],
      ['a', 2],
      ['c', 3],
    ]),
    user: new Map([['u', 0]]),
  };
  const space = new FeatureSpace(texts, places);
  const { items, users, width } = space.of(texts);
  const row = (values: Float32Array, place: number) => [
    ...values.subarray(place * width, (place + 1) * width),
  ];
  assert.ok(row(items, 1).every((x) => x === 0));
  for (const place of [0, 2, 3]) assert.ok(row(items, place).some((x) => x !== 0));
  // a single user differs from nobody
  assert.ok(users.every((x) => x === 0));
  const sorted = (values: Float32Array) => [0, 1, 2, 3].map((place) => row(values, place).join()).sort();
  const others = [1, 2, 3, 4, 5].map((seed) => space.shuffled(seed).items);
  for (const other of others) assert.equal(sorted(other), sorted(items));
  assert.ok(others.some((other) => other.join() !== items.join()));
});

/** Clicks on the items of one half of all. */
function half(clicks: Clicks, first: boolean): Clicks {
  const places = [...clicks.items.keys()].filter((at) => (clicks.items[at] ?? 0) < 60 === first);
  const of = (column: Int32Array) => Int32Array.from(places, (at) => column[at] ?? 0);
  const liked = Uint8Array.from(places, (at) => clicks.liked[at] ?? 0);
  return { users: of(clicks.users), items: of(clicks.items), liked };
}

test('the click model tells clicks on items that it never saw, by their features alone', async () => {
  const data = plantedClicks();
  const [train, test] = [half(data, true), half(data, false)];
  const predicted = (features?: typeof truth) => predictClicks(train, test, features, 1);
  const [blind, seeing] = [auc(await predicted(), test.liked), auc(await predicted(truth), test.liked)];
  assert.ok(blind < 0.6 && seeing > 0.75, `${blind} ${seeing}`);
});

test('a seed decides what the click model tells, whatever it was trained with before', async () => {
  const data = plantedClicks();
  const training = { ...usualTraining, epochs: 1 };
  const predicted = (features: Features | undefined, seed: number) =>
    predictClicks(data, data, features, seed, training);
  const before = [await predicted(undefined, 1), await predicted(truth, 1)];
  for (const rows of [1, 7, 300]) {
    const few = { users: data.users.slice(0, rows), items: data.items.slice(0, rows) };
    await predictClicks({ ...few, liked: data.liked.slice(0, rows) }, data, truth, rows, training);
  }
  assert.equal([await predicted(undefined, 1), await predicted(truth, 1)], before);
  assert.not.equal(await predicted(truth, 2), before[1]);
});

test('features that are no numbers end in an error', async () => {
  const data = plantedClicks();
  const broken = { ...truth, users: truth.users.map(() => Number.NaN) };
  assert.match((await errorOf(() => predictClicks(data, data, broken, 1))).message, /not numbers/);
});

test.run();
