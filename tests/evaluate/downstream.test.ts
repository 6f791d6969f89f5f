import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Features } from '../../src/evaluate/click-model.js';
import {
  type ArmResult,
  arms,
  type ClickData,
  compareArms,
  usualDownstream,
} from '../../src/evaluate/downstream.js';
import { statementOf } from '../../src/evaluate/statement.js';
import { downstreamTable } from '../../src/report/evaluation.js';
import { noisy, plantedClicks, truth } from './planted.js';

const data = plantedClicks();

async function compared(reference: Features, relaxed: Features, control: Features = noisy(1, 40)) {
  const results = await compareArms(
    data,
    [
      { name: arms.none, features: undefined },
      { name: arms.reference, features: reference },
      { name: 'relaxed', features: relaxed },
      { name: arms.control, features: control },
    ],
    { ...usualDownstream, samples: 300 },
  );
  return { results, of: (name: string) => results.find((result) => result.name === name) as ArmResult };
}

test('features that are the same lose nothing: non-inferior', async () => {
  const { results, of } = await compared(truth, noisy(0, 10));
  assert.ok(of(arms.reference).auc > of(arms.none).auc + 0.02, JSON.stringify(results));
  assert.equal(of('relaxed').difference, { mean: 0, low: 0, high: 0 });
  const { verdict, sentence } = statementOf('relaxed', results);
  assert.is(verdict, 'non-inferior');
  assert.match(sentence, /^relaxed: non-inferior within 0\.002 AUC/);
});

test('degraded features lose, and by how much is told', async () => {
  const { results, of } = await compared(truth, noisy(0.7, 20));
  const { verdict, sentence } = statementOf('relaxed', results);
  const { mean, low, high } = of('relaxed').difference;
  assert.is(verdict, 'loses', sentence);
  assert.ok(low < mean && mean < high && high < 0, sentence);
  assert.ok(sentence.startsWith(`relaxed: loses ${(-mean).toFixed(4)} AUC`), sentence);
});

test('features without a signal make the data set too weak, whatever relaxed ones are like', async () => {
  const { results } = await compared(noisy(1, 30), noisy(1, 50));
  const { verdict, sentence } = statementOf('relaxed', results);
  assert.is(verdict, 'too-weak', sentence);
  assert.match(sentence, /autoregressive features don't beat none/);
});

test('a control that does as well makes it too weak, too', async () => {
  const { results } = await compared(truth, truth, truth);
  const { verdict, sentence } = statementOf('relaxed', results);
  assert.is(verdict, 'too-weak', sentence);
  assert.match(sentence, /shuffled features don't lose/);
});

test('an interval that reaches beyond the margin and holds 0 decides nothing', () => {
  const result = (name: string, low: number, mean: number, high: number): ArmResult => {
    return { name, auc: 0.7, logLoss: 0.5, difference: { low, mean, high } };
  };
  const against = [result(arms.none, -0.1, -0.08, -0.05), result(arms.control, -0.1, -0.08, -0.05)];
  for (const [low, mean, high, expected] of [
    [-0.003, -0.001, 0.001, 'undecided'],
    [-0.002, -0.001, 0.001, 'non-inferior'],
    [-0.0015, -0.001, -0.0005, 'non-inferior'],
    [-0.004, -0.003, -0.001, 'loses'],
    [0.001, 0.002, 0.003, 'non-inferior'],
  ] as const) {
    const { verdict, sentence } = statementOf('r', [...against, result('r', low, mean, high)]);
    assert.is(verdict, expected, sentence);
  }
});

test('figures that too few ratings leave out are a dash with the reason, not NaN', async () => {
  const clicks = (liked: number[], described: number): ClickData => ({
    users: Int32Array.from(liked, (_, i) => i % 3),
    items: Int32Array.from(liked, (_, i) => i % 4),
    liked: Uint8Array.from(liked),
    described: new Uint8Array(liked.length).fill(described),
  });
  const all = [arms.none, arms.reference].map((name) => ({ name, features: undefined }));
  const likedAll = new Array<number>(20).fill(1);
  for (const few of [clicks(likedAll, 1), clicks(likedAll, 0), clicks([], 1)]) {
    const results = await compareArms(few, all, { seeds: 2, samples: 10 });
    const [, line = '', , why = ''] = downstreamTable(results).split('\n');
    assert.match(line, /^no features +- .*- +-$/);
    assert.not.match(line, /NaN/);
    assert.match(why, /^- can't be told: of the ratings that a seed holds back, none is of a user/);
  }
  const known = await compared(truth, truth);
  assert.is(downstreamTable(known.results).split('\n').length, known.results.length + 1);
});

test.run();
