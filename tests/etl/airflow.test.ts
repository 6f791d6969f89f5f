/** The DAG with the real command line: `dag.test()` for a first date, another, the same again, and with what fails. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../src/paths.js';
import { command, folderOf, inEnvironment, runIn } from './environment.js';
import { killing } from './killing.js';
import { MOVIES, USERS, writeConfig, writeRaw } from './small.js';

const FIRST = '2026-10-05';
const SECOND = '2026-10-06';
const STAGES = ['segment', 'prompts', 'pools', 'decode', 'publish', 'evaluate'];

interface Task {
  state: string;
  tries: number;
  result: Record<string, unknown> | null;
}
interface Run {
  state: string;
  tasks: Record<string, Task>;
  /** Extras of the assets that it updated. */
  updates: Record<string, unknown>[];
  files: Record<string, string>;
}

const folder = mkdtempSync(join(tmpdir(), 'dare-airflow-'));
const lake = join(folder, 'lake');
const marker = join(folder, 'killed');
test.after(() => rmSync(folder, { recursive: true }));

let runs: Promise<Run[]> | undefined;
/** All runs, in one process: loading Airflow and making its database takes longer than most of them. */
function allRuns(): Promise<Run[]> {
  runs ??= runDag();
  return runs;
}

async function runDag(): Promise<Run[]> {
  const raw = writeRaw(folder);
  const file = (name: string) => join(raw, `${name}.csv`);
  const config = writeConfig(folder, {
    items: file('movies'),
    users: file('users'),
    ratings: file('ratings'),
  });
  const killed = killing({ shard: '2/2', who: 'self', lake, partition: SECOND, marker });
  const requests = [
    { date: `${FIRST}T03:00:00+00:00`, conf: {} },
    { date: `${SECOND}T03:00:00+00:00`, conf: { command: killed } },
    { date: `${SECOND}T03:00:00+00:00`, conf: {} },
    { events: [{ partition: SECOND }], conf: {} },
    { date: `${SECOND}T03:00:00+00:00`, conf: { config: join(folder, 'missing.yaml') } },
    { events: [{ partition: FIRST }, { partition: SECOND }], conf: {} },
    { conf: {} },
  ];
  const args = [
    join(packageRoot, 'tests/etl/airflow_runs.py'),
    join(folder, 'lake'),
    JSON.stringify(requests),
  ];
  const { code, last, output } = await runIn('airflow', 'python', args, {
    AIRFLOW_HOME: folder,
    AIRFLOW__CORE__DAGS_FOLDER: folderOf('airflow'),
    AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
    AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY: '0',
    AIRFLOW_VAR_DARE_CONFIG: config,
    AIRFLOW_VAR_DARE_COMMAND: command,
    AIRFLOW_VAR_DARE_SHARDS: '2',
    AIRFLOW_VAR_DARE_SET: JSON.stringify([
      'decode.mode=relaxed',
      'evaluate={ limit: 4, divergenceBudgets: [] }',
    ]),
  });
  assert.is(code, 0, output.slice(-4000));
  return JSON.parse(last) as Run[];
}

function airflowTest(name: string, index: number, check: (run: Run, before: Run | undefined) => void): void {
  const body = inEnvironment('airflow', async () => {
    const all = await allRuns();
    check(all[index] as Run, all[index - 1]);
  });
  test(name, body);
}

airflowTest('a first date: no pools yet, so it is decoded in one piece', 0, ({ state, tasks, updates }) => {
  assert.is(state, 'success');
  const decoded = tasks['decode[0]']?.result;
  assert.equal([decoded?.partition, decoded?.shard, decoded?.mode], [FIRST, undefined, 'relaxed']);
  assert.not.ok('decode[1]' in tasks);
  assert.equal(updates, [{ partition: FIRST, rows: MOVIES + USERS }]);
});

airflowTest('another date in two shards: one is killed, and retried', 1, ({ state, tasks, updates }) => {
  assert.is(state, 'success');
  assert.ok(existsSync(marker), 'no shard was killed');
  assert.equal(tries(tasks), {
    'decode[0]': 1,
    'decode[1]': 2,
    evaluate: 1,
    pools: 1,
    prompts: 1,
    publish: 1,
    segment: 1,
  });
  const shards = ['decode[0]', 'decode[1]'].map((name) => tasks[name]?.result);
  assert.equal(
    shards.map((result) => result?.shard),
    ['1/2', '2/2'],
  );
  const rows = shards.reduce((sum, result) => sum + Number(result?.rows), 0);
  assert.is(rows, tasks.prompts?.result?.rows);
  assert.equal(updates, [{ partition: SECOND, rows: MOVIES + USERS }]);
});

airflowTest('the figures of an evaluation are its XCom', 1, ({ tasks }) => {
  const { state, result } = tasks.evaluate as Task;
  assert.is(state, 'success');
  const { results, downstream } = result as Record<string, unknown>;
  const rows = results as { mode: string; sameTexts: number; tokensPerStep: number }[];
  assert.ok(rows.filter(({ mode }) => mode === 'relaxed').every(({ tokensPerStep }) => tokensPerStep > 1));
  assert.ok(rows.filter(({ mode }) => mode === 'greedy').every(({ sameTexts }) => sameTexts === 1));
  assert.match((downstream as { statement: string }).statement, /AUC|too weak/);
});

airflowTest('the same date again: every stage is skipped, the files are the same', 2, (run, before) => {
  assert.is(run.state, 'success');
  for (const [name, { state, result }] of stages(run.tasks)) {
    assert.equal([name, state, result?.skipped], [name, 'skipped', true]);
  }
  assert.equal(run.files, before?.files);
  assert.equal(run.updates, []);
});

airflowTest('triggered by an asset: the partition is the event’s', 3, ({ state, tasks }) => {
  assert.is(state, 'success');
  assert.is(tasks.settings?.result?.partition, SECOND);
  for (const [name, task] of stages(tasks)) assert.equal([name, task.state], [name, 'skipped']);
});

airflowTest('exit code 2 fails at once, without retries', 4, (run, before) => {
  assert.is(run.state, 'failed');
  assert.equal([run.tasks.segment?.state, run.tasks.segment?.tries], ['failed', 1]);
  assert.is(run.tasks.publish?.state, 'upstream_failed');
  assert.equal(run.files, before?.files);
});

airflowTest('events of two partitions in one run are refused', 5, ({ state, tasks }) => {
  assert.is(state, 'failed');
  assert.equal([tasks.settings?.state, tasks.settings?.tries], ['failed', 1]);
});

airflowTest('a run without a date, an event or a partition is refused, without retries', 6, (run, before) => {
  assert.is(run.state, 'failed');
  assert.equal([run.tasks.settings?.state, run.tasks.settings?.tries], ['failed', 1]);
  assert.equal(run.files, before?.files);
});

test.run();

/** The tasks that run DARE. */
function stages(tasks: Record<string, Task>): [name: string, task: Task][] {
  const found = Object.entries(tasks).filter(([name]) => STAGES.some((stage) => name.startsWith(stage)));
  assert.ok(found.length >= STAGES.length);
  return found;
}

function tries(tasks: Record<string, Task>): Record<string, number> {
  return Object.fromEntries(stages(tasks).map(([name, task]) => [name, task.tries]));
}
