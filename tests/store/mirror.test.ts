/** Working copies against a real server that speaks S3. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../src/errors.js';
import { everything } from '../../src/store/scopes.js';
import { inEnvironment } from '../etl/environment.js';
import { bucket, cleanUp, folder, freshLake, machine } from './fixture.js';
import type { Disturbance, S3Server } from './server.js';

const texts = 'texts/partition=a/texts.parquet';
const manifest = 'texts/partition=a/_manifest.json';
const unfinished = '_unfinished/texts/partition=a';
const keys = (server: S3Server, method: string) =>
  server.seen.filter((seen) => seen.method === method).map(({ path }) => path.replace(/^\/lakes\/\w+\//, ''));

/** A test with the server and the prefix of a lake of its own. */
function storeTest(name: string, run: (server: S3Server, prefix: string) => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => {
      const { server, prefix } = await freshLake();
      await run(server, prefix);
    }),
  );
}

test.after(cleanUp);

async function failure(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    return messageOf(error);
  }
  return 'nothing was thrown';
}

storeTest('what one machine pushes another pulls, and nothing is sent twice', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  one.write(texts, 'the table');
  one.write(manifest, 'the manifest');
  one.write('texts/partition=b/texts.parquet', 'not in the scope');
  assert.is(await one.push(['texts/partition=a/']), 2);
  assert.equal(keys(server, 'PUT'), [texts, manifest]);
  assert.is(await one.push(['texts/partition=a/']), 0);
  await two.mirror.pull(everything);
  assert.is(two.read(texts), 'the table');
  assert.is(two.read('texts/partition=b/texts.parquet'), undefined);
  server.seen = [];
  await two.mirror.pull(everything);
  assert.equal(keys(server, 'GET').length, 1, 'the list alone');
  assert.is(await two.push(['']), 0);
});

storeTest(
  'only what is needed is brought; what was brought once is kept up to date',
  async (server, prefix) => {
    const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
    one.write(texts, 'first');
    one.write(manifest, 'first');
    await one.push(['']);
    await two.mirror.pull(({ key }) => key === manifest);
    assert.is(two.read(manifest), 'first');
    assert.is(two.read(texts), undefined);
    await two.push(['']);
    assert.is(
      await server.text(bucket, `${prefix}/${texts}`),
      'first',
      'what was not brought is not removed',
    );
    await two.mirror.pull(everything);
    one.write(texts, 'second');
    one.write(manifest, 'second');
    await one.push(['']);
    await two.mirror.pull(() => false);
    assert.equal([two.read(texts), two.read(manifest)], ['second', 'second']);
  },
);

storeTest(
  'removed here is removed there, behind all else, and the other way round',
  async (server, prefix) => {
    const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
    one.write(texts, 'a');
    one.write(`${unfinished}/part-1-of-2.parquet`, 'a shard');
    await one.push(['']);
    await two.mirror.pull(everything);
    one.remove(`${unfinished}/part-1-of-2.parquet`);
    one.write(texts, 'joined');
    server.seen = [];
    await one.push(['']);
    assert.equal(
      server.seen.map(({ method }) => method),
      ['PUT', 'DELETE'],
    );
    await two.mirror.pull(() => false);
    assert.is(two.read(`${unfinished}/part-1-of-2.parquet`), undefined);
    assert.not(readdirSync(two.root).includes('_unfinished'), 'empty folders go');
    assert.is(two.read(texts), 'joined');
  },
);

storeTest('scratch, locks and half files stay on their machine', async (server, prefix) => {
  const one = await machine(server, bucket, prefix);
  const local = [
    '_work/texts/partition=a/spilled',
    `${unfinished}/whole.lock-1/owner.json`,
    'texts/partition=a/texts.parquet.tmp-host-1-0',
    '_earlier/features/partition=a.tmp-host-1-0/features.earlier',
    'notes/partition=a/notes.txt',
  ];
  for (const key of local) one.write(key, 'local');
  assert.is(await one.push(['']), 0);
  await server.put(bucket, `${prefix}/README.md`, "somebody's own");
  await server.put(bucket, `${prefix}/texts/partition=a/../../../outside`, 'evil');
  await one.mirror.pull(everything);
  assert.equal(readdirSync(dirname(one.root)).sort(), ['lake', 'lake.json']);
  assert.is(one.read('README.md'), undefined);
});

storeTest(
  'a push that is cut off leaves old or new objects, and goes on where it was',
  async (server, prefix) => {
    const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
    one.write(texts, 'old');
    one.write(manifest, 'old');
    await one.push(['']);
    one.write(texts, 'new table');
    one.write(manifest, 'new');
    server.disturb = ({ method, path }) =>
      method === 'PUT' && path.endsWith('.json') ? 'refuse' : undefined;
    assert.match(
      await failure(() => one.push([''])),
      /^the object could not be written: s3:\/\/lakes\/lake\d+\/texts\/partition=a\/_manifest\.json: access is denied$/,
    );
    await two.mirror.pull(everything);
    assert.equal([two.read(texts), two.read(manifest)], ['new table', 'old']);
    server.disturb = () => undefined;
    // as the next command does
    await one.mirror.pull(everything);
    assert.equal([one.read(texts), one.read(manifest)], ['new table', 'new'], 'what is not pushed yet stays');
    server.seen = [];
    assert.is(await one.push(['']), 1);
    assert.equal(keys(server, 'PUT'), [manifest]);
  },
);

storeTest('a process that is killed while it pushes knows its own objects again', async (server, prefix) => {
  const one = await machine(server, bucket, prefix);
  one.write(`${unfinished}/whole/journal`, 'one\n');
  one.write(`${unfinished}/whole/part-0.rows`, 'rows');
  const known = join(dirname(one.root), 'lake.json');
  let list = '';
  server.disturb = ({ method }) => {
    // what is on the disk when an object is on its way
    if (method === 'PUT') list = readFileSync(known, 'utf8');
    return undefined;
  };
  await one.push(['']);
  writeFileSync(known, list);
  one.write(`${unfinished}/whole/rows-1.log`, 'not pushed');
  await one.mirror.pull(everything);
  assert.is(one.read(`${unfinished}/whole/rows-1.log`), 'not pushed');
  assert.equal(one.warnings, []);
  assert.is(await one.push(['']), 1);
});

storeTest('what another wrote meanwhile is not taken for its own, be it as large', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  one.write(texts, 'old');
  await one.push(['']);
  await two.mirror.pull(everything);
  one.write(texts, 'one');
  server.disturb = ({ method }) => (method === 'PUT' ? 'refuse' : undefined);
  await failure(() => one.push(['']));
  server.disturb = () => undefined;
  two.write(texts, 'two');
  await two.push(['']);
  await one.mirror.pull(everything);
  assert.is(one.read(texts), 'two');
});

storeTest('what was kept here goes when the decoding went on elsewhere', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  one.write(`${unfinished}/whole/journal`, 'one\n');
  await one.push(['']);
  await two.mirror.pull(everything);
  one.write(`${unfinished}/whole/rows-0.log`, 'kept here alone');
  two.write(`${unfinished}/whole/journal`, 'one\ntwo\n');
  two.write(`${unfinished}/whole/part-0.rows`, 'of two');
  await two.push(['']);
  await one.mirror.pull(everything);
  assert.is(one.read(`${unfinished}/whole/rows-0.log`), undefined);
  assert.is(one.read(`${unfinished}/whole/part-0.rows`), 'of two');
  assert.match(one.warnings.join(), /gone on with elsewhere/);
});

storeTest('where both sides changed a table the store wins, as a whole', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  one.write(texts, 'old');
  one.write(manifest, 'old');
  await one.push(['']);
  await two.mirror.pull(everything);
  two.write(manifest, "two's note");
  await two.push(['']);
  one.write(texts, "one's");
  one.write(manifest, "one's");
  await one.mirror.pull(everything);
  assert.equal([one.read(texts), one.read(manifest)], ['old', "two's note"]);
});

storeTest('a report from elsewhere costs no table that is not pushed yet', async (server, prefix) => {
  const report = 'texts/partition=a/_report.html';
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  for (const key of [texts, manifest, report]) one.write(key, 'old');
  await one.push(['']);
  await two.mirror.pull(everything);
  two.write(report, 'a new page');
  await two.push([report]);
  one.write(texts, 'not pushed');
  await one.mirror.pull(everything);
  assert.equal([one.read(texts), one.read(report)], ['not pushed', 'a new page']);
});

storeTest('a working copy that is removed costs nothing in the store', async (server, prefix) => {
  const one = await machine(server, bucket, prefix);
  one.write(texts, 'the table');
  await one.push(['']);
  rmSync(one.root, { recursive: true });
  assert.match(
    await failure(() => one.push([''])),
    /^the working copy of s3:\/\/lakes\/lake\d+ was removed meanwhile$/,
  );
  await one.mirror.pull(everything);
  assert.is(one.read(texts), 'the table');
});

storeTest('a download that is cut off is noticed, and leaves nothing', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  one.write(texts, 'the whole table');
  await one.push(['']);
  for (const how of ['truncate', 'drop'] satisfies Disturbance[]) {
    server.disturb = ({ path }) => (path.endsWith('texts.parquet') ? how : undefined);
    const says = await failure(() => two.mirror.pull(everything));
    assert.match(says, how === 'truncate' ? /came incomplete: 14 of 15 bytes/ : /could not be read: s3:/);
    assert.equal(readdirSync(join(two.root, 'texts/partition=a')), []);
  }
  // once alone: it is tried again
  let left = 1;
  server.disturb = ({ path }) => (path.endsWith('texts.parquet') && left-- > 0 ? 'truncate' : undefined);
  await two.mirror.pull(everything);
  assert.is(two.read(texts), 'the whole table');
});

storeTest(
  'an object that is replaced after it was listed is told from the listed one',
  async (server, prefix) => {
    const one = await machine(server, bucket, prefix);
    await server.put(bucket, `${prefix}/${texts}`, 'one');
    const [listed] = await one.store.list(prefix);
    await server.put(bucket, `${prefix}/${texts}`, 'two');
    assert.ok(listed);
    const says = await failure(() => one.store.download(listed, join(folder, 'other')));
    assert.match(says, /was replaced or removed while it was read/);
    await one.mirror.pull(everything);
    assert.is(one.read(texts), 'two');
  },
);

storeTest('large files travel in parts, empty ones too, and lists have pages', async (server, prefix) => {
  const [one, two] = [await machine(server, bucket, prefix), await machine(server, bucket, prefix)];
  const large = randomBytes(17 << 20);
  one.write('texts/partition=b/texts.parquet', '');
  one.write(texts, '');
  writeFileSync(join(one.root, texts), large);
  await one.push(['']);
  assert.ok(
    server.seen.some(({ method }) => method === 'POST'),
    'in parts',
  );
  const many = Array.from({ length: 20 }, (_, i) => `${prefix}/cohorts/partition=${i}/_manifest.json`);
  for (const key of many) await server.put(bucket, key, '{}');
  assert.is((await two.store.list(`${prefix}/`)).length, 22);
  await two.mirror.pull(({ place }) => place.table === 'texts');
  assert.ok(readFileSync(join(two.root, texts)).equals(large));
  assert.is(two.read('texts/partition=b/texts.parquet'), '');
});

storeTest(
  "a working copy of another lake, and a list that isn't one, are refused",
  async (server, prefix) => {
    const one = await machine(server, bucket, prefix);
    const list = join(dirname(one.root), 'lake.json');
    mkdirSync(dirname(one.root), { recursive: true });
    writeFileSync(list, JSON.stringify({ format: 1, lake: 's3://other/lake', id: 'x', objects: {} }));
    assert.match(
      await failure(() => one.mirror.pull(everything)),
      /one of s3:\/\/other\/lake, not of s3:\/\/lakes/,
    );
    writeFileSync(list, 'no JSON');
    assert.match(await failure(() => one.mirror.pull(everything)), /does not say what is synchronised/);
  },
);

test.run();
