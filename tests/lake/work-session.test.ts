import { existsSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Duck } from '../../src/lake/duck.js';
import { Lake } from '../../src/lake/lake.js';
import { type WorkContext, withWorkSession } from '../../src/lake/work-session.js';
import { errorOf, inFolder } from './temporary.js';

const stopped = new Error('stopped by SIGINT');

/** Runs `test` with a stage's context in a fresh lake; afterwards the work folder must be gone. */
function inLake(body: (context: WorkContext & { lake: Lake }, stop: () => void) => Promise<void>) {
  return () =>
    inFolder(async (root) => {
      const controller = new AbortController();
      const lake = new Lake(root);
      const config = { memoryLimit: '123MiB' };
      await body({ config, lake, partition: 'p', signal: controller.signal }, () =>
        controller.abort(stopped),
      );
      assert.not.ok(existsSync(lake.work('cohorts', 'p')), 'the work folder is removed');
    });
}

const endless = 'select sum(a.range * b.range) from range(10_000_000) a, range(10_000_000) b';

test(
  'the session spills into the work folder, emptied before; its result is returned, and it is closed',
  inLake(async (context) => {
    const left = context.lake.prepareWork('cohorts', 'p');
    let session: Duck | undefined;
    const answer = await withWorkSession(context, 'cohorts', async (duck) => {
      session = duck;
      assert.equal(readdirSync(left), []);
      const [limit] = await duck.rows("select current_setting('memory_limit') as memory");
      assert.is(limit?.memory, '123.0 MiB');
      const [row] = await duck.rows("select current_setting('temp_directory') as folder");
      assert.is(row?.folder, left);
      return 42;
    });
    assert.is(answer, 42);
    await errorOf(() => (session as Duck).rows('select 1'));
  }),
);

test(
  'an abort interrupts the running query, and its reason is thrown',
  inLake(async (context, stop) => {
    const running = withWorkSession(context, 'cohorts', async (duck) => {
      const query = duck.run(endless);
      setImmediate(stop);
      await query;
    });
    assert.is(await errorOf(() => running), stopped);
  }),
);

test(
  'an abort between two queries interrupts the next',
  inLake(async (context, stop) => {
    const running = withWorkSession(context, 'cohorts', async (duck) => {
      await duck.run('select 1');
      stop();
      await duck.run(endless);
    });
    assert.is(await errorOf(() => running), stopped);
  }),
);

test(
  'the error of the work is thrown',
  inLake(async (context) => {
    const broken = new Error('broken');
    assert.is(await errorOf(() => withWorkSession(context, 'cohorts', () => Promise.reject(broken))), broken);
  }),
);

test(
  'an abort before the beginning: the work is not begun',
  inLake(async (context, stop) => {
    stop();
    let begun = false;
    const work = async () => {
      begun = true;
    };
    assert.is(await errorOf(() => withWorkSession(context, 'cohorts', work)), stopped);
    assert.not.ok(begun);
  }),
);

test(
  'an abort when the work is done changes nothing',
  inLake(async (context, stop) => {
    assert.is(await withWorkSession(context, 'cohorts', async () => stop() ?? 'done'), 'done');
  }),
);

test.run();
