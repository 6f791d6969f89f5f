/** How far a stage of queries is. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { QueryProgress } from '../../src/lake/query-progress.js';
import { Counters } from '../../src/report/counters.js';
import { countingProgress } from '../../src/report/progress.js';
import { errorOf } from './temporary.js';

/** Counts, and keeps every step. */
function recorder() {
  const counters = new Counters();
  const progress = countingProgress(counters);
  const steps: number[] = [];
  const advance = progress.advance.bind(progress);
  progress.advance = (n) => {
    steps.push(n);
    advance(n);
  };
  progress.start('features');
  return { counters, progress, steps };
}

test('each query brings its share of the rows, all together the total, whatever their shares add up to in bits', async () => {
  const duck = await Duck.open({ threads: 1 });
  const { counters, progress, steps } = recorder();
  const queries = await QueryProgress.open(duck, progress, 1001);
  const reached: (number | undefined)[] = [];
  for (const share of [0.35, 0.2, 0.45]) {
    assert.is(await queries.during(share, async () => (await duck.rows('select 42 as n'))[0]?.n), 42);
    reached.push(counters.phase?.finished);
  }
  assert.equal([reached, counters.phase?.total], [[350, 550, 1001], 1001]);
  assert.equal(counters.remaining, 0);
  assert.ok(steps.every((step) => step > 0 && Number.isInteger(step)));
  duck.close();
});

test('a long query brings rows before it ends; one that fails brings none of what is left', async () => {
  const duck = await Duck.open({ threads: 1 });
  const failing = recorder();
  const queries = await QueryProgress.open(duck, failing.progress, 1000);
  await errorOf(() => queries.during(0.5, () => duck.run('select error(1::varchar)')));
  assert.equal(failing.steps, []);
  let steps: number[] = [];
  // until one is long enough to be looked at
  for (const size of [1_000_000, 4_000_000, 16_000_000]) {
    if (steps.length >= 2) break;
    await duck.run('create or replace table numbers as select range as n from range($size::bigint)', {
      size,
    });
    const recorded = recorder();
    const watched = await QueryProgress.open(duck, recorded.progress, 1000);
    await watched.during(1, () => duck.run('select sum(length(md5(n::varchar))) from numbers'));
    steps = recorded.steps;
  }
  assert.ok(steps.length >= 2, `${steps}`);
  assert.is(
    steps.reduce((sum, step) => sum + step, 0),
    1000,
  );
  duck.close();
});

test.run();
