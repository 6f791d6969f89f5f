import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseSetting, paretoFront } from '../../src/evaluate/pareto.js';

const names = (points: readonly { name: string }[]) => points.map(({ name }) => name).join('');

test('the front: none is both as fast and as harmless; equal ones are all on it', () => {
  const point = (name: string, loss: number, milliseconds: number) => ({ name, loss, milliseconds });
  const [plain, greedy, slow, fast, same] = [
    point('p', 0, 4),
    point('g', 0, 2),
    point('s', 0.1, 3),
    point('f', 0.2, 1),
    point('e', 0.2, 1),
  ];
  for (const [points, expected] of [
    [[fast, plain, slow, greedy], 'gf'],
    [[plain], 'p'],
    [[same, fast, greedy], 'gef'],
    [[], ''],
  ] as const)
    assert.is(names(paretoFront(points)), expected);
});

test('chosen is the fastest within the bound, of equally fast ones the one that loses least', () => {
  const point = (name: string, loss: number, milliseconds: number) => ({ name, loss, milliseconds });
  const points = [point('g', 0, 2), point('a', 0.01, 1.005), point('b', 0.02, 1), point('c', 0.2, 0.5)];
  for (const [maxLoss, expected] of [
    [0, 'g'],
    [0.01, 'a'],
    // 0.5% faster is no reason to lose more
    [0.02, 'a'],
    [1, 'c'],
  ] as const)
    assert.is(chooseSetting(points, maxLoss)?.name, expected, `${maxLoss}`);
  assert.is(chooseSetting([], 1), undefined);
});

const points = fc.array(
  fc.record({ loss: fc.integer({ min: 0, max: 5 }), milliseconds: fc.integer({ min: 1, max: 5 }) }),
  { maxLength: 12 },
);

test('every point is matched or beaten by one of the front, and none of the front by any', () => {
  fc.assert(
    fc.property(points, (all) => {
      const front = paretoFront(all);
      for (const one of all)
        assert.ok(front.some((best) => best.loss <= one.loss && best.milliseconds <= one.milliseconds));
      for (const best of front)
        for (const one of all) assert.not.ok(one.loss < best.loss && one.milliseconds <= best.milliseconds);
    }),
  );
});

test.run();
