/** The Ray job with the real command line: two workers on this machine, of which one is killed in mid-shard. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';
import { dare } from '../cli/spawn.js';
import { command, inEnvironment, runIn } from './environment.js';
import { killing } from './killing.js';
import { MOVIES, USERS, writeConfig, writeRaw } from './small.js';

const FIRST = '2026-10-05';
const SECOND = '2026-10-06';

interface Job {
  code: number;
  output: string;
  left: string[];
}

const folder = mkdtempSync(join(tmpdir(), 'dare-ray-'));
/** Of a single process. */
const single = join(folder, 'single');
const clustered = join(folder, 'clustered');
const marker = join(folder, 'killed');
/** A line for every time that the command is called. */
const tries = join(folder, 'tries');
test.after(() => rmSync(folder, { recursive: true }));

let jobs: Promise<Job[]> | undefined;
/** All jobs, on one cluster: starting it takes longer than most of them. */
function allJobs(): Promise<Job[]> {
  jobs ??= runJobs();
  return jobs;
}

async function runJobs(): Promise<Job[]> {
  const raw = writeRaw(folder);
  const file = (name: string) => join(raw, `${name}.csv`);
  const config = writeConfig(folder, {
    items: file('movies'),
    users: file('users'),
    ratings: file('ratings'),
  });
  const once = (partition: string) =>
    dare(['run', '--config', config, '--lake', single, '--partition', partition]);
  assert.is((await once(FIRST)).code, 0);
  cpSync(single, clustered, { recursive: true });
  const run = await once(SECOND);
  assert.is(run.code, 0, run.stderr);

  const killed = killing({ shard: '2/2', who: 'parent', lake: clustered, partition: SECOND, marker });
  const counted = `bash -c 'echo once >> ${tries}; exec ${command} "$@"' dare`;
  const settings = ['--lake', clustered, '--partition', SECOND, '--shards', '2', '--cpus', '1'];
  const requests = [
    ['--config', config, '--command', killed, ...settings],
    ['--config', join(folder, 'missing.yaml'), '--command', counted, ...settings],
  ];
  const script = join(packageRoot, 'tests/etl/ray_jobs.py');
  const finished = await runIn('ray', 'python', [script, clustered, JSON.stringify(requests)], {
    RAY_USAGE_STATS_ENABLED: '0',
  });
  assert.is(finished.code, 0, finished.output.slice(-4000));
  return JSON.parse(finished.last) as Job[];
}

function rayTest(name: string, index: number, check: (job: Job) => Promise<void> | void): void {
  const body = inEnvironment('ray', async () => {
    const job = (await allJobs())[index];
    await check(job as Job);
  });
  test(name, body);
}

rayTest('two workers, one killed in mid-shard: the texts of a single process', 0, async (job) => {
  assert.is(job.code, 0, job.output);
  assert.ok(existsSync(marker), 'no worker was killed');
  assert.equal(job.left, []);
  assert.match(job.output, /"stage": "publish"/);
  const duck = await Duck.open();
  try {
    const [counts] = await duck.rows(
      `with one as (from read_parquet($single)), two as (from read_parquet($clustered))
      select (select count(*) from two)::integer as rows, count(*)::integer as same,
        count(*) filter (near_ties = 0)::integer as certain
      from one join two using (prompt_id, text, output_token_ids, finish_reason, entity_id, cohort, near_ties)`,
      tables('texts'),
    );
    assert.ok(Number(counts?.rows) > MOVIES);
    assert.equal(counts?.same, counts?.rows);
    const [features] = await duck.rows(
      `select count(*)::integer as same from read_parquet($single) as one
      join read_parquet($clustered) as two using (entity_type, entity_id, cohort, model, mode)
      where (one.kar, one.pool_version) is not distinct from (two.kar, two.pool_version)`,
      tables('features'),
    );
    assert.equal(features, { same: MOVIES + USERS });
  } finally {
    duck.close();
  }
});

rayTest('exit code 2 ends the job at once, without retries', 1, (job) => {
  // ray job submit itself has 1 for every failure
  assert.is(job.code, 1);
  assert.match(job.output, /exit code 2/);
  assert.is(readFileSync(tries, 'utf8'), 'once\n');
});

test.run();

function tables(name: string): { single: string; clustered: string } {
  const file = (lake: string) => join(lake, name, `partition=${SECOND}`, `${name}.parquet`);
  return { single: file(single), clustered: file(clustered) };
}
