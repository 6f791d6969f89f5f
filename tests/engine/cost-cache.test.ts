/** Cost tables are measured once, on engines themselves. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { engineCosts, type MeasuredCosts } from '../../src/engine/cost-cache.js';
import { loadCostTable } from '../../src/engine/cost-table.js';
import { openEngine } from '../../src/engine/open.js';
import { DareError } from '../../src/errors.js';
import { writeTinyModel } from '../decode/tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-cost-cache-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const cache = join(folder, 'cache');
const model = writeTinyModel(join(folder, 'model'));
const open = (slots: number) => openEngine({ model, cache, slots, threads: 1, device: 'cpu' });
const files = () => readdirSync(join(cache, 'costs'));

test('a table is measured once for a model and its slots, and read from then on', async () => {
  const opened = await open(6);
  const { engine } = opened;
  const first = await engineCosts(opened, { cache, threads: 1 });
  assert.ok(first.fresh);
  assert.equal(first.table.batch, [1, 2, 4, 6]);
  // half the context of 32
  assert.equal(first.table.rows, [1, 2, 4, 8, 16]);
  assert.equal(loadCostTable(first.file), first.table, 'a table as a user can give it');
  const { steps } = engine.modelTime;
  const second = await engineCosts(opened, { cache, threads: 1 });
  assert.equal(second, { ...first, fresh: false });
  assert.is(engine.modelTime.steps, steps, 'no step was run');
  // the slots are free again
  for (let slot = 0; slot < engine.slots; slot++) await engine.admit(slot, Int32Array.of(1, 2));
  await engine.close();
  const other = await open(2);
  const { table } = await engineCosts(other, { cache, threads: 1 });
  assert.equal(table.batch, [1, 2]);
  await other.engine.close();
  assert.is(files().length, 2);
});

test('a file that was cut off is measured again', async () => {
  const opened = await open(2);
  const { file } = await engineCosts(opened, { cache, threads: 1 });
  const whole = readFileSync(file, 'utf8');
  for (const text of ['', whole.slice(0, 40), '{"batch":[1],"rows":[1],"milliseconds":[[-1]]}']) {
    writeFileSync(file, text);
    const { fresh, table } = await engineCosts(opened, { cache, threads: 1 });
    assert.ok(fresh, text);
    assert.equal(loadCostTable(file), table);
  }
  await opened.engine.close();
  assert.is(files().length, 2, 'nothing is left beside it');
});

test('of two that measure at the same time the first table counts, for both', async () => {
  const [one, two] = [await open(3), await open(3)];
  const measured = await Promise.all([one, two].map((opened) => engineCosts(opened, { cache, threads: 1 })));
  assert.equal(measured.map(({ fresh }) => fresh).sort(), [false, true]);
  assert.equal(measured[1]?.table, measured[0]?.table);
  assert.equal(loadCostTable((measured[0] as MeasuredCosts).file), measured[0]?.table);
  for (const { engine } of [one, two]) await engine.close();
  assert.is(files().length, 3, 'nothing is left beside it');
});

test('a cache that cannot be written is an error with the file', async () => {
  const opened = await open(1);
  const blocked = join(folder, 'blocked');
  writeFileSync(blocked, '');
  await engineCosts(opened, { cache: blocked, threads: 1 }).then(
    () => assert.unreachable(),
    (error: unknown) => {
      assert.instance(error, DareError);
      assert.is((error as DareError).exitCode, 1);
      assert.match((error as DareError).message, /blocked/);
    },
  );
  await opened.engine.close();
});

test.run();
