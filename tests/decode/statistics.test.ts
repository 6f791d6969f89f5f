import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addDraft, addStatistics, noStatistics, statisticsSchema } from '../../src/decode/statistics.js';

const tree = (parents: number[]) => ({
  tokens: Int32Array.from(parents, (_, i) => i),
  parents: Int32Array.from(parents),
});
const line = (length: number) => tree(Array.from({ length: length + 1 }, (_, i) => i - 1));

test('a tree counts once for each depth it reaches, its accepted path for each depth it went', () => {
  const statistics = noStatistics();
  // 0 -> 1, 2; 1 -> 3; 3 -> 4
  addDraft(statistics, tree([-1, 0, 0, 1, 3]), 2, 4);
  addDraft(statistics, tree([-1, 0]), 0, 4);
  addDraft(statistics, tree([-1]), 0, 4);
  const { byDepth, byMatch } = statistics;
  assert.equal(byDepth.drafted.slice(0, 4), [2, 1, 1, 0]);
  assert.equal(byDepth.accepted.slice(0, 4), [1, 1, 0, 0]);
  assert.equal([byMatch.steps[4], byMatch.rows[4], byMatch.accepted[4]], [2, 5, 2]);
});

test('what lies beyond the last place is counted there', () => {
  const statistics = noStatistics();
  addDraft(statistics, line(300), 299, 40);
  const { byDepth, byMatch } = statistics;
  assert.equal([byDepth.drafted.length, byDepth.drafted.at(-2), byDepth.drafted.at(-1)], [32, 1, 269]);
  assert.is(byDepth.accepted.at(-1), 268);
  assert.equal([byMatch.steps.length, byMatch.steps.at(-1)], [17, 1]);
});

test('sums of loops, also through JSON', () => {
  const sum = noStatistics();
  const one = { ...noStatistics(), busy: 1.5, texts: 2 };
  addDraft(one, line(3), 1, 0);
  for (let i = 0; i < 3; i++) addStatistics(sum, statisticsSchema.parse(JSON.parse(JSON.stringify(one))));
  assert.equal([sum.busy, sum.texts, sum.draft], [4.5, 6, 0]);
  assert.equal(sum.byDepth.drafted.slice(0, 4), [3, 3, 3, 0]);
  assert.equal([sum.byMatch.steps[0], sum.byMatch.rows[0], sum.byMatch.accepted[0]], [3, 9, 3]);
  assert.throws(() => statisticsSchema.parse({ ...one, byDepth: {} }));
});

test.run();
