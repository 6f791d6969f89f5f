import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplayText } from '../../src/simulate/replay.js';
import { Reliability } from './reliability.js';

test('a node counts as come when the whole path to it came', () => {
  const text: ReplayText = {
    entityType: null,
    cohort: null,
    framework: null,
    promptIds: Int32Array.of(1),
    answerIds: Int32Array.of(2, 3, 4),
  };
  // below the prompt: 2 then 3, 5 then 3; nothing after 4
  const trees = [{ tokens: Int32Array.of(1, 2, 5, 3, 3), parents: Int32Array.of(-1, 0, 0, 2, 1) }];
  const gains = Float64Array.of(0.875, 0.1875, 0.125, 0.8125);
  const appended: number[] = [];
  const figures = new Reliability();
  figures.add(
    [text],
    {
      begin: () => undefined,
      append: (token) => appended.push(token),
      draft: () => trees.shift() ?? { tokens: Int32Array.of(4), parents: Int32Array.of(-1) },
      gains,
    },
    4,
  );
  assert.equal(appended, [1, 2, 3, 4]);
  assert.equal(figures.tenths[8], { nodes: 2, predicted: 0.84375, observed: 1 });
  assert.equal(figures.tenths[1], { nodes: 2, predicted: 0.15625, observed: 0 });
});

test.run();
