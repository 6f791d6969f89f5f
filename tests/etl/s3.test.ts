/** Inputs and lake in an object store, with the real command line, a real server, and a working copy for each machine. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { ownIdentity } from '../../src/lake/process.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { credentials, type S3Server, type Seen, startServer } from '../store/server.js';
import { inEnvironment, runIn } from './environment.js';
import { killing } from './killing.js';
import { writeConfig, writeRaw } from './small.js';

const MOVIES = 20;
const USERS = 14;
const FIRST = '2026-10-05';
const SECOND = '2026-10-06';
const url = 's3://lakes/books';
const tables = ['cohorts', 'prompts', 'texts', 'features'] as const;

const folder = mkdtempSync(join(tmpdir(), 'dare-s3-'));
const local = join(folder, 'local');
const raw = join(folder, 'raw');
let started: Promise<S3Server> | undefined;
let server: S3Server;
let config = '';

test.after(async () => {
  await (await started)?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the server, puts the inputs there, and runs the first partition: on this machine, and in the store. */
async function start(): Promise<S3Server> {
  const made = await startServer(['inputs', 'lakes']);
  Object.assign(process.env, credentials, {
    AWS_ENDPOINT_URL: made.endpoint,
    XDG_CACHE_HOME: join(folder, 'cache'),
  });
  writeRaw(folder, MOVIES, USERS);
  const names = ['movies', 'users', 'ratings'] as const;
  for (const name of names)
    await made.put('inputs', `raw/${name}.csv`, readFileSync(join(raw, `${name}.csv`)));
  config = writeConfig(folder, {
    items: 's3://inputs/raw/movies.csv',
    users: 's3://inputs/raw/users.csv',
    ratings: 's3://inputs/raw/rat*.csv',
  });
  return made;
}

/** A command on the lake in the store, from a machine's working copy. */
function on(machine: string, command: string, partition: string, ...more: string[]): Promise<Finished> {
  return dare([command, ...place(machine, partition), ...more]);
}

function place(machine: string, partition: string): string[] {
  const copy = `storage.workingCopy=${copyOf(machine)}`;
  return ['--config', config, '--lake', url, '--set', copy, '--partition', partition, ...short(partition)];
}

/** Texts of the first partition are short: how they are decoded is of no interest there. */
function short(partition: string): string[] {
  return partition === FIRST ? ['--set', 'decode.maxNewTokens=8'] : [];
}

const copyOf = (machine: string) => join(folder, machine);

async function done(run: Promise<Finished>): Promise<Record<string, unknown>> {
  const finished = await run;
  assert.is(finished.code, 0, finished.stderr.slice(-3000));
  return resultOf(finished);
}

/** Objects that were written and removed since the requests were last emptied. */
function changes(): string[] {
  return server.seen
    .filter(({ method }) => method === 'PUT' || method === 'DELETE')
    .map(({ method, path }) => `${method} ${path.replace('/lakes/books/', '')}`);
}

function s3Test(name: string, run: () => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => {
      started ??= start();
      server = await started;
      server.disturb = () => undefined;
      server.seen = [];
      await run();
    }),
  );
}

s3Test(
  'the main job from inputs in the store to a lake in it: the tables of a run on this machine',
  async () => {
    const there = await done(on('one', 'run', FIRST));
    const alone = ['--lake', local, '--partition', FIRST, ...short(FIRST)];
    const here = await done(dare(['run', '--config', config, ...alone]));
    assert.is(there.rows, MOVIES + USERS);
    assert.equal(
      there.files,
      tables.map((table) => `${url}/${table}/partition=${FIRST}/${table}.parquet`),
    );
    assert.equal(
      (here.files as string[]).map((file) => file.replace(local, url)),
      there.files,
    );
    const duck = await Duck.open();
    try {
      for (const [table, columns, certain] of [
        ['cohorts', '*', 'true'],
        ['prompts', '*', 'true'],
        // decisions that noise may turn are few
        ['texts', 'prompt_id, text, output_token_ids, cohort', 'near_ties = 0'],
      ]) {
        const file = (lake: string) => join(lake, `${table}/partition=${FIRST}/${table}.parquet`);
        const files = { here: file(local), there: file(join(copyOf('one'), 'lake')) };
        const certainly = `select ${columns} from read_parquet($here) where ${certain}`;
        const query = `${certainly} except all select ${columns} from read_parquet($there)`;
        assert.equal(await duck.rows(query, files), [], table);
        const [{ rows } = {}] = await duck.rows(`select count(*)::integer as rows from (${certainly})`, {
          here: files.here,
        });
        assert.ok(Number(rows) > MOVIES, table);
      }
    } finally {
      duck.close();
    }
    const manifest = JSON.parse(
      await server.text('lakes', `books/cohorts/partition=${FIRST}/_manifest.json`),
    );
    assert.is(manifest.origin.files['inputs.ratings'][0].path, 's3://inputs/raw/ratings.csv');
  },
);

s3Test('run again nothing is done, and nothing written; another machine finds all of it fresh', async () => {
  const again = await done(on('one', 'run', FIRST));
  assert.is(again.skipped, true);
  assert.equal(changes(), []);
  const { tables: found } = await done(on('other', 'status', FIRST));
  assert.equal(
    (found as { state: string }[]).map(({ state }) => state),
    ['fresh', 'fresh', 'fresh', 'fresh', 'fresh'],
  );
  assert.is((await done(on('other', 'run', FIRST))).skipped, true);
  assert.equal(changes(), []);
  const report = await done(on('other', 'report', FIRST));
  assert.equal(report.files, [`${url}/texts/partition=${FIRST}/_report.html`]);
  assert.equal(changes(), [`PUT texts/partition=${FIRST}/_report.html`]);
});

s3Test('DuckDB with httpfs reads the features where they are', async () => {
  const query = `select count(*), count(kar) > 30, count(distinct cohort) > 4 from '${url}/features/*/features.parquet'`;
  const host = server.endpoint.replace('http://', '');
  const { code, last, output } = await runIn('s3', 'python', ['tests/etl/s3_query.py', host, query]);
  assert.is(code, 0, output);
  assert.equal(JSON.parse(last), [[MOVIES + USERS, true, true]]);
});

s3Test('an input that is replaced makes stale what was made of it, by its name in the store', async () => {
  const ratings = readFileSync(join(raw, 'ratings.csv'), 'utf8');
  await server.put('inputs', 'raw/ratings.csv', ratings.trimEnd().split('\n').slice(0, -1).join('\n'));
  const status = async () => {
    const { tables: found } = await done(on('one', 'status', FIRST));
    return (found as { state: string; reasons: string[] }[])[0];
  };
  assert.equal(await status(), {
    table: 'cohorts',
    partition: FIRST,
    state: 'stale',
    reasons: ['inputs.ratings: s3://inputs/raw/ratings.csv changed'],
  });
  server.seen = [];
  await done(on('other', 'segment', FIRST));
  const own = changes().filter((change) => !change.includes('_locks/'));
  assert.equal(own.slice(-1), [`PUT cohorts/partition=${FIRST}/_manifest.json`]);
  assert.ok(
    own.every((change) => change.startsWith('PUT cohorts/')),
    own.join(),
  );
  assert.is((await status())?.state, 'fresh', 'as the other machine has made it');
  await server.put('inputs', 'raw/ratings.csv', ratings);
  await done(on('one', 'segment', FIRST));
  assert.is((await done(on('one', 'run', FIRST))).skipped, true, 'the cohorts are what they were');
});

s3Test('shards of several machines, killed and stopped, meet at publish on another', async () => {
  // drafts of relaxed texts are weighed by one cost table, and none of the machines has that of another
  const relaxed = ['--set', 'decode.mode=relaxed'];
  for (const stage of ['segment', 'prompts', 'pools']) await done(on('one', stage, SECOND));
  const shard = (machine: string, k: number) =>
    on(machine, 'decode', SECOND, '--shard', `${k}/2`, ...relaxed);
  const ended = (machine: string, k: number, signal: NodeJS.Signals) =>
    program(
      killing({
        shard: `${k}/2`,
        who: 'self',
        lake: join(copyOf(machine), 'lake'),
        partition: SECOND,
        marker: join(folder, `${machine}-ended`),
        signal,
      }),
      ['decode', ...place(machine, SECOND), '--shard', `${k}/2`, ...relaxed],
    );
  const [killed, stopped] = await Promise.all([ended('two', 1, 'SIGKILL'), ended('three', 2, 'SIGTERM')]);
  assert.equal([killed.signal, stopped.code], ['SIGKILL', 143], stopped.stderr);
  // the lock of the killed one is there still; what the stopped one finished is on no machine but the other
  const [first, second] = await Promise.all([shard('two', 1), shard('four', 2)]);
  for (const run of [first, second]) {
    assert.is(run.code, 0, run.stderr);
    assert.ok(Number(resultOf(run).resumed) > 0, 'nothing was taken over');
  }
  assert.match(first.stderr, /the run that held the lock is gone/);
  const costs = (await done(shard('five', 1))).skipped;
  assert.is(costs, true);
  const published = await done(on('five', 'publish', SECOND, ...relaxed));
  assert.equal([published.rows, published.shards], [MOVIES + USERS, 2]);
  const left = (await objects()).filter((key) => /^_unfinished|^_locks/.test(key));
  assert.equal(left, []);
});

s3Test(
  'a push that is cut off before the manifest is mended by the next run, here or elsewhere',
  async () => {
    const manifest = `features/partition=${FIRST}/_manifest.json`;
    const half = ['--set', 'publish.vectors=float16'];
    server.disturb = ({ method, path }) =>
      method === 'PUT' && path === `/lakes/books/${manifest}` ? 'refuse' : undefined;
    const cut = await on('one', 'publish', FIRST, ...half);
    assert.is(cut.code, 2);
    assert.match(
      String(resultOf(cut).error),
      /^the object could not be written: s3:\S+_manifest\.json: access is denied$/,
    );
    server.disturb = () => undefined;
    const elsewhere = await done(on('other', 'status', FIRST, ...half));
    const features = (elsewhere.tables as { state: string; reasons: string[] }[])[4];
    assert.is(features?.state, 'stale');
    assert.match(
      features?.reasons.join() ?? '',
      "features.parquet isn't the file that its _manifest.json describes",
    );
    server.seen = [];
    const mended = await done(on('one', 'run', FIRST, ...half));
    assert.is(mended.skipped, true);
    assert.equal(
      changes().filter((change) => !change.includes('_locks/')),
      [`PUT ${manifest}`],
    );
    assert.is((await done(on('other', 'run', FIRST, ...half))).skipped, true);
    const before = await done(on('six', 'rollback', FIRST));
    assert.is(before.rows, MOVIES + USERS);
    assert.is((await done(on('other', 'run', FIRST))).skipped, true);
  },
);

s3Test('a second run is refused while the first is at work; a lost machine is followed', async () => {
  const lock = `books/_locks/texts/partition=${FIRST}/whole-1`;
  const isLock = ({ method, path }: Seen) => method === 'PUT' && path === `/lakes/${lock}`;
  const taken = server.next(isLock);
  // its own processes work on its working copy, and take no lock of the store
  const again = ['decode.maxNewTokens=9', 'decode.shards=2', 'decode.mode=autoregressive'].flatMap(
    (setting) => ['--set', setting],
  );
  const first = on('one', 'decode', FIRST, ...again);
  await taken;
  const second = await on('other', 'decode', FIRST, ...again);
  assert.is(second.code, 1);
  assert.match(
    String(resultOf(second).error),
    `the texts of partition ${FIRST}: another run is at work on it, process`,
  );
  assert.is((await done(first)).shards, 2);
  const locks = changes().filter((change) => change.startsWith('PUT _locks/'));
  // made, renewed before what is pushed
  assert.equal([...new Set(locks)].sort(), [
    `PUT _locks/pools/partition=${FIRST}/whole-1`,
    `PUT _locks/texts/partition=${FIRST}/whole-1`,
  ]);
  assert.equal(
    (await objects()).filter((key) => /^_unfinished|^_locks/.test(key)),
    [],
  );
  const cohorts = `books/_locks/cohorts/partition=${FIRST}/whole`;
  await server.put('lakes', `${cohorts}-1`, JSON.stringify({ ...ownIdentity(), host: `not-${hostname()}` }));
  server.ahead += 6 * 60_000;
  // just before it pushes its lock is taken from it in turn
  let left = 2;
  server.disturb = async ({ method, path }) => {
    if (method === 'PUT' && path === `/lakes/${cohorts}-2` && --left === 0)
      await server.put('lakes', `${cohorts}-2`, JSON.stringify(ownIdentity()));
    return undefined;
  };
  server.seen = [];
  const third = await on('one', 'segment', FIRST);
  assert.match(third.stderr, `cohorts of partition ${FIRST}: the run that held the lock has not renewed it`);
  assert.is(third.code, 1);
  assert.match(
    String(resultOf(third).error),
    `cohorts of partition ${FIRST}: the lock is no longer this run's`,
  );
  assert.equal(
    changes().filter((change) => !change.includes('_locks/')),
    [],
  );
});

s3Test('what is wrong with store or paths is one sentence, and an exit code', async () => {
  const cases: [args: string[], code: number, says: RegExp][] = [
    [['--lake', 's3://nobody/lake'], 2, /s3:\/\/nobody\/lake\/: there is no such bucket$/],
    [
      ['--set', 'inputs.items.path=s3://inputs/raw/films.csv'],
      2,
      /inputs\.items\.path: the object was not found: s3:\/\/inputs\/raw\/films\.csv$/,
    ],
    [['--set', 'inputs.items.path=s3://inputs/raw'], 2, /inputs\.items\.path is a folder, not an object/],
    [['--set', 'storage.endpoint=http://127.0.0.1:1'], 1, /the store can not be reached$/],
  ];
  const before = await objects();
  for (const [args, code, says] of cases) {
    const lake = args[0] === '--lake' ? [] : ['--lake', url];
    const run = await dare(['segment', '--config', config, ...lake, ...args]);
    assert.is(run.code, code, `${args}: ${run.stderr}`);
    assert.match(String(resultOf(run).error), says);
  }
  await server.checkCredentials(true);
  const refused = await on('seven', 'segment', FIRST);
  await server.checkCredentials(false);
  assert.is(refused.code, 2);
  assert.match(String(resultOf(refused).error), /the store refuses the credentials$/);
  assert.equal(await objects(), before);
});

test.run();

/** Keys of the lake in the store. */
async function objects(): Promise<string[]> {
  const { S3Store } = await import('../../src/store/s3.js');
  const store = await S3Store.open('lakes', { endpoint: server.endpoint });
  return (await store.list('books/')).map(({ key }) => key.slice('books/'.length));
}

interface Ended extends Finished {
  signal: NodeJS.Signals | null;
}

function program(command: string, args: readonly string[]): Promise<Ended> {
  const [name = '', ...first] = command.split(' ');
  const child = spawn(name, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
