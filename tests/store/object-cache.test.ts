/** Objects that inputs name, from a real server. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../src/errors.js';
import { Duck } from '../../src/lake/duck.js';
import { recordFile } from '../../src/lake/fingerprint.js';
import { ObjectCache } from '../../src/store/object-cache.js';
import { S3Store } from '../../src/store/s3.js';
import { inEnvironment } from '../etl/environment.js';
import { machine } from './fixture.js';
import { credentials, type S3Server, startServer } from './server.js';

Object.assign(process.env, credentials);
const folder = mkdtempSync(join(tmpdir(), 'dare-objects-'));
const bucket = 'inputs';
let server: S3Server | undefined;

function cacheTest(name: string, run: (server: S3Server, cache: ObjectCache) => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => {
      server ??= await startServer([bucket]);
      server.seen = [];
      const { endpoint } = server;
      const { tools } = await machine(server, bucket, 'unused');
      const open = (name: string) => S3Store.open(name, { endpoint, region: 'us-east-1' });
      await run(server, new ObjectCache(folder, open, tools));
    }),
  );
}

test.after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const textOf = (file: string) => readFileSync(file, 'utf8');

cacheTest('each state of an object is brought once, under its own name', async (server, cache) => {
  const url = 's3://inputs/raw/ratings.csv';
  await server.put(bucket, 'raw/ratings.csv', 'first');
  const [first] = await cache.bring('inputs.ratings.path', url);
  assert.ok(first);
  assert.equal([first.url, textOf(first.file)], [url, 'first']);
  assert.match(first.file, /\/ratings\.csv$/);
  assert.is((await recordFile(first.file)).path, url);
  const bodies = () => server.seen.filter(({ method }) => method === 'GET').length;
  assert.is(bodies(), 1);
  assert.equal(await cache.bring('inputs.ratings.path', url), [first]);
  assert.is(bodies(), 1);
  await server.put(bucket, 'raw/ratings.csv', 'second');
  const [second] = await cache.bring('inputs.ratings.path', url);
  assert.is(textOf(second?.file ?? ''), 'second');
  assert.is(textOf(first.file), 'first', 'another run may still read it');
  // as if it had been asked for two days ago
  const past = Date.now() / 1000 - 2 * 24 * 3600;
  utimesSync(dirname(first.file), past, past);
  await cache.bring('inputs.ratings.path', url);
  assert.equal(readdirSync(dirname(dirname(first.file))).length, 1);
});

cacheTest(
  'a glob brings what it matches, in the order of keys; together under one glob',
  async (server, cache) => {
    for (const day of ['02', '01', '10']) await server.put(bucket, `texts/${day}/t.csv`, `text\nof ${day}\n`);
    await server.put(bucket, 'texts/01/other.txt', 'no');
    const found = await cache.bring('pools.texts', 's3://inputs/texts/*/*.csv');
    const urls = ['01', '02', '10'].map((day) => `s3://inputs/texts/${day}/t.csv`);
    assert.equal(
      found.map(({ url }) => url),
      urls,
    );
    const { path, objects } = await cache.bringTogether('pools.texts', 's3://inputs/texts/*/*.csv');
    assert.equal(
      objects.map(({ url }) => url),
      urls,
    );
    const duck = await Duck.open();
    try {
      const rows = await duck.rows('select file from glob($path) order by file', { path });
      assert.equal(
        rows.map(({ file }) => textOf(String(file))),
        ['01', '02', '10'].map((day) => `text\nof ${day}\n`),
      );
    } finally {
      duck.close();
    }
    const single = await cache.bringTogether('pools.texts', 's3://inputs/texts/01/t.*');
    assert.equal(single.path, single.objects[0]?.file);
  },
);

const wrong: [path: string, says: RegExp][] = [
  [
    's3://inputs/raw/none.csv',
    /^inputs\.items\.path: the object was not found: s3:\/\/inputs\/raw\/none\.csv$/,
  ],
  ['s3://inputs/raw', /^inputs\.items\.path is a folder, not an object: s3:\/\/inputs\/raw$/],
  ['s3://inputs', /^inputs\.items\.path is a folder, not an object: s3:\/\/inputs$/],
  ['s3://inputs/raw/*.parquet', /^inputs\.items\.path: no object matches s3:\/\/inputs\/raw\/\*\.parquet$/],
  ['s3://nobody/raw/a.csv', /s3:\/\/nobody\/raw\/a\.csv: there is no such bucket$/],
];
for (const [path, says] of wrong) {
  cacheTest(`${path} is refused by its name`, async (server, cache) => {
    await server.put(bucket, 'raw/ratings.csv', 'first');
    const error = await cache.bring('inputs.items.path', path).catch((thrown: unknown) => thrown);
    assert.match(messageOf(error), says);
    assert.is((error as { exitCode?: number }).exitCode, 2);
  });
}

test.run();
