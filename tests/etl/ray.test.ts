/**
 * The Ray job with the real command line: two workers, of which one is killed in mid-shard; on a lake of this machine, and
 * on one in an object store with a working copy for each worker.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';
import { dare } from '../cli/spawn.js';
import { credentials, type S3Server, startServer } from '../store/server.js';
import { command, hasEnvironment, inEnvironment, runIn } from './environment.js';
import { killing } from './killing.js';
import { MOVIES, USERS, writeConfig, writeRaw } from './small.js';

const FIRST = '2026-10-05';
const SECOND = '2026-10-06';
/** The job on an object store, the last one: where there is no server there is none. */
const STORED = 4;

interface Job {
  code: number;
  output: string;
  left: string[];
}

const folder = mkdtempSync(join(tmpdir(), 'dare-ray-'));
/** Of a single process. */
const single = join(folder, 'single');
const clustered = join(folder, 'clustered');
/** What the store has in the end. */
const stored = join(folder, 'stored');
const marker = join(folder, 'killed');
const storedMarker = join(folder, 'killed-with-store');
/** Command lines of jobs on GPUs: without pools, and in shards. */
const calls = { whole: join(folder, 'calls-whole'), shards: join(folder, 'calls-shards') };
const gpus = ['0000:65:00.0', 'H100 "NVL"'];
/** A line for every time that the command is called. */
const tries = join(folder, 'tries');
let server: S3Server | undefined;
test.after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

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
  if (hasEnvironment('s3')) {
    server = await startServer(['lakes']);
    for (const [key, content] of filesOf(single)) await server.put('lakes', `books/${key}`, content);
  }
  const run = await once(SECOND);
  assert.is(run.code, 0, run.stderr);

  const killed = killing({ shard: '2/2', who: 'parent', lake: clustered, partition: SECOND, marker });
  const counted = `bash -c 'echo once >> ${tries}; exec ${command} "$@"' dare`;
  const settings = (lake: string) => ['--lake', lake, '--partition', SECOND, '--shards', '2', '--cpus', '1'];
  const requests = [
    ['--config', config, '--command', killed, ...settings(clustered)],
    ['--config', join(folder, 'missing.yaml'), '--command', counted, ...settings(clustered)],
  ];
  for (const [name, rows] of [
    ['whole', 0],
    ['shards', 5],
  ] as const) {
    const adapters = gpus.flatMap((gpu) => ['--adapter', gpu]);
    requests.push([
      ...['--config', config, '--command', recorder(calls[name], rows), ...adapters],
      ...settings(join(folder, name)),
    ]);
  }
  if (server !== undefined)
    requests.push(['--config', config, '--command', withCopies(), ...settings('s3://lakes/books')]);
  const script = join(packageRoot, 'tests/etl/ray_jobs.py');
  const finished = await runIn('ray', 'python', [script, JSON.stringify(requests)], {
    RAY_USAGE_STATS_ENABLED: '0',
    ...(server === undefined ? {} : { ...credentials, AWS_ENDPOINT_URL: server.endpoint }),
  });
  assert.is(finished.code, 0, finished.output.slice(-4000));
  for (const table of ['texts', 'features']) {
    const content = await server?.bytes('lakes', `books/${table}/partition=${SECOND}/${table}.parquet`);
    if (content !== undefined) writeFileSync(`${stored}-${table}.parquet`, content);
  }
  return JSON.parse(finished.last) as Job[];
}

/**
 * A command that only notes its arguments, one command line a line, and says so many rows. A shard waits until another
 * one runs: two tasks that hold a GPU each.
 */
function recorder(file: string, rows: number): string {
  const script = `${file}.sh`;
  const lines = [
    `printf '%s\\t' "$@" >>${file}.$$; echo >>${file}.$$; cat ${file}.$$ >>${file}`,
    `case "$*" in *"--shard "*) touch ${file}.shard-$$`,
    `for try in {1..300}; do [ "$(ls ${file}.shard-* | wc -l)" -ge 2 ] && break; sleep 0.1; done;; esac`,
    `echo '{"stage": "'$1'", "rows": ${rows}}'`,
  ];
  writeFileSync(script, lines.join('\n'));
  return `bash ${script}`;
}

/** The lines of `recorder` for a stage: whether the shard is named, and what is set of the model. */
function recorded(file: string, stage: string): { shard: string | undefined; set: string[] }[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines
    .map((line) => line.split('\t'))
    .filter(([name]) => name === stage)
    .map((args) => ({
      shard: args[args.indexOf('--shard') + 1 || args.length],
      set: args.filter((arg) => /^model\.(device|adapter)=/.test(arg)),
    }));
}

/** The command that is killed once, in working copies of a machine for the stages and one for each try of a shard. */
function withCopies(): string {
  const copy = (name: string) => join(folder, 'copies', name);
  const lake = join(copy('two'), 'lake');
  const killed = killing({ shard: '2/2', who: 'self', lake, partition: SECOND, marker: storedMarker });
  const second = `copy=two; [ -e ${storedMarker} ] && copy=three`;
  const choose = `copy=one; case "$*" in *"--shard 2/2"*) ${second};; esac`;
  return `bash -c '${choose}; exec ${killed} "$@" --set storage.workingCopy=${copy('$copy')}' dare`;
}

function* filesOf(lake: string): Generator<[key: string, content: Buffer]> {
  for (const entry of readdirSync(lake, { recursive: true, withFileTypes: true })) {
    const file = join(entry.path, entry.name);
    if (entry.isFile()) yield [relative(lake, file), readFileSync(file)];
  }
}

function rayTest(name: string, index: number, check: (job: Job) => Promise<void> | void): void {
  const body = inEnvironment('ray', async () => {
    const job = (await allJobs())[index];
    await check(job as Job);
  });
  test(name, index === STORED ? inEnvironment('s3', body) : body);
}

rayTest('two workers, one killed in mid-shard: the texts of a single process', 0, async (job) => {
  assert.is(job.code, 0, job.output);
  assert.ok(existsSync(marker), 'no worker was killed');
  assert.equal(job.left, []);
  assert.match(job.output, /"stage": "publish"/);
  await areOfSingle((table) => join(clustered, table, `partition=${SECOND}`, `${table}.parquet`));
});

rayTest('the same on a lake in an object store, its retry on another machine', STORED, async (job) => {
  assert.is(job.code, 0, job.output);
  assert.ok(existsSync(storedMarker), 'no shard was killed');
  assert.ok(existsSync(join(folder, 'copies/three/lake')), 'it was not retried');
  assert.equal(job.left, []);
  await areOfSingle((table) => `${stored}-${table}.parquet`);
  const { keys } = server as S3Server;
  const left = (await keys('lakes')).filter((key) => /^books\/_/.test(key));
  assert.equal(left, []);
});

rayTest('exit code 2 ends the job at once, without retries', 1, (job) => {
  // ray job submit itself has 1 for every failure
  assert.is(job.code, 1);
  assert.match(job.output, /exit code 2/);
  assert.is(readFileSync(tries, 'utf8'), 'once\n');
});

/** `model.adapter` is JSON: a bus id alone would be no text in YAML. */
const onGpu = (gpu: string) => ['model.device=webgpu', `model.adapter=${JSON.stringify(gpu)}`];

rayTest('a first partition, in one piece, is decoded on a GPU that is counted', 2, (job) => {
  assert.is(job.code, 0, job.output);
  const [decoded, ...others] = recorded(calls.whole, 'decode');
  assert.equal([decoded?.shard, others], [undefined, []]);
  assert.ok(
    gpus.some((gpu) => onGpu(gpu).join() === decoded?.set.join()),
    String(decoded?.set),
  );
  for (const stage of ['segment', 'prompts', 'pools', 'publish'])
    assert.equal(recorded(calls.whole, stage), [{ shard: undefined, set: [] }]);
});

rayTest('shards that run side by side have a GPU each', 3, (job) => {
  assert.is(job.code, 0, job.output);
  const decoded = recorded(calls.shards, 'decode');
  assert.equal(decoded.map(({ shard }) => shard).sort(), ['1/2', '2/2']);
  assert.equal(decoded.map(({ set }) => set).sort(), gpus.map(onGpu).sort());
});

test.run();

/** Makes sure that tables are those of a single process. */
async function areOfSingle(file: (table: string) => string): Promise<void> {
  const files = (table: string) => ({
    single: join(single, table, `partition=${SECOND}`, `${table}.parquet`),
    other: file(table),
  });
  const duck = await Duck.open();
  try {
    const [counts] = await duck.rows(
      `with one as (from read_parquet($single)), two as (from read_parquet($other))
      select (select count(*) from two)::integer as rows, count(*)::integer as same,
        count(*) filter (near_ties = 0)::integer as certain
      from one join two using (prompt_id, text, output_token_ids, finish_reason, entity_id, cohort, near_ties)`,
      files('texts'),
    );
    assert.ok(Number(counts?.rows) > MOVIES);
    assert.equal(counts?.same, counts?.rows);
    const [features] = await duck.rows(
      `select count(*)::integer as same from read_parquet($single) as one
      join read_parquet($other) as two using (entity_type, entity_id, cohort, model, mode)
      where (one.kar, one.pool_version) is not distinct from (two.kar, two.pool_version)`,
      files('features'),
    );
    assert.equal(features, { same: MOVIES + USERS });
  } finally {
    duck.close();
  }
}
