import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplayText } from '../../src/simulate/replay.js';
import { Reliability, type Tenth } from './reliability.js';

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
  assert.equal(figures.tenths[8], { nodes: 2, predicted: 0.84375, observed: 1, standardError: 0 });
  assert.equal(figures.tenths[1], { nodes: 2, predicted: 0.15625, observed: 0, standardError: 0 });
});

test('the standard error is that of a mean over texts, however many nodes a text has', () => {
  const text = (answer: number): ReplayText => ({
    entityType: null,
    cohort: null,
    framework: null,
    promptIds: Int32Array.of(1),
    answerIds: Int32Array.of(answer),
  });
  // of 40 texts half come as drafted, with all of their nodes or with none: four lines of the same token a text
  const row = (token: number) => Int32Array.of(1, token, token, token, token);
  const figures = new Reliability();
  const drafter = {
    begin: () => undefined,
    append: () => undefined,
    draft: () => ({ tokens: row(2), parents: Int32Array.of(-1, 0, 0, 0, 0) }),
    gains: new Float64Array(4).fill(0.5),
  };
  for (let i = 0; i < 40; i++) figures.add([text(i % 2 === 0 ? 2 : 3)], drafter, 4);
  const { nodes, observed, standardError } = figures.tenths[5] as Tenth;
  assert.equal([nodes, observed], [160, 0.5]);
  // of 40 coins, not of 160
  assert.ok(Math.abs(standardError - 0.5 / Math.sqrt(40)) < 1e-12, `${standardError}`);
});

test.run();
