/** Cost tables as files: measured on this machine, and those that the package brings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadCostTable } from '../../src/engine/cost-table.js';
import { packageRoot } from '../../src/paths.js';
import type { Forecast } from '../../src/simulate/forecast.js';
import type { CommandResult } from '../../src/stage.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { runHere, writeParquet } from '../simulate/fixture.js';
import { cache, sampleModel } from './fixture.js';

type Plan = CommandResult & Forecast & { batch: number };

/** What a table is a table of: nobody can use one that doesn't say it. */
const about = ['model', 'hardware', 'processor', 'weights', 'fingerprint'];
const shipped = join(packageRoot, 'data-samples/costs');

async function planWith(costs: string, root: string): Promise<void> {
  const prompts = await writeParquet(
    join(root, 'prompts.parquet'),
    "select 'p' || i as prompt_id, 'Describe the movie ' || i as prompt from range(5) t(i)",
  );
  const args = ['plan', '--model', sampleModel, '--prompts', prompts, '--costs', costs];
  const plan = (await runHere(args)) as Plan;
  const table = loadCostTable(costs);
  assert.is(plan.batch, table.batch.at(-1));
  for (const hours of [plan.promptHours, plan.decodeHours, plan.plainHours])
    assert.ok((hours as number) > 0, costs);
  const said = (JSON.parse(readFileSync(costs, 'utf8')) as { about: Record<string, unknown> }).about;
  for (const key of about) assert.type(said[key], 'string', `${costs}: ${key}`);
}

test("this machine's table goes to a file that dare plan takes", () =>
  inFolder(async (root) => {
    const out = join(root, 'tables', 'here.json');
    const args = ['model', 'costs', sampleModel, '--cache', cache, '--concurrency', '2', '--out', out];
    const set = ['--set', 'model.device=cpu'];
    const result = await runHere([...args, ...set]);
    const table = loadCostTable(out);
    const { batch, rows, milliseconds, padding, host, draft } = result;
    assert.equal({ batch, rows, milliseconds, padding, host, draft }, table);
    assert.equal(
      [result.stage, result.file, result.weights, result.concurrency],
      ['model costs', out, 'float32', 2],
    );
    assert.equal(table.batch, [1, 2]);
    await planWith(out, root);
    const again = await runHere(args.slice(0, -2).concat(set));
    assert.equal([again.measured, again.milliseconds], [false, milliseconds], 'the cache has it');
    assert.ok((again.file as string).startsWith(join(cache, 'costs')), 'where it stands without --out');
  }));

test('a table is of a model that there is, with settings that there are', async () => {
  const costs = (...args: string[]) => errorOf(() => runHere(['model', 'costs', ...args]));
  assert.match((await costs('nowhere')).message, /no model at|nowhere/);
  assert.match((await costs(sampleModel, '--set', 'model.devise=cpu')).message, /did you mean device/);
  assert.match((await costs(sampleModel, '--concurrency', 'x')).message, /concurrency/);
  assert.match((await costs(sampleModel, '--set', 'decode.nodes=3')).message, /changes nothing/);
});

test('every table of the package can be planned with', () =>
  inFolder(async (root) => {
    assert.ok(existsSync(join(shipped, 'README.md')));
    const files = readdirSync(shipped).filter((name) => name !== 'README.md');
    assert.ok(files.length > 0);
    for (const name of files) {
      assert.match(name, /^[a-z0-9.-]+\.json$/);
      await planWith(join(shipped, name), root);
    }
  }));

test.run();
