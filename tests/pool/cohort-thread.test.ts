/** Pools built by two threads: the same bytes as by one, one sentence where the thread fails, nothing left when stopped. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calibrate } from '../../src/draft/calibrate.js';
import {
  type BuiltPool,
  buildPool,
  documentOf,
  PoolBuilder,
  type PoolSettings,
} from '../../src/pool/builder.js';
import { CohortBuilder } from '../../src/pool/cohort.js';
import { CohortThread } from '../../src/pool/cohort-thread.js';
import { openEarlier, readPoolList, writePools } from '../../src/pool/folder.js';
import { errorOf, inFolder } from '../lake/temporary.js';

const settings: PoolSettings = {
  tokenizer: 'characters',
  maxLength: 5,
  generationPrompt: Int32Array.of(1, 2, 3, 4, 5, 6),
  endToken: 7,
};
const text = (i: number) =>
  Array.from({ length: 30 + (i % 9) }, (_, k) => 8 + ((i * 3 + k * k * (1 + (i % 7))) % 23));
const documents = Array.from({ length: 40 }, (_, i) => documentOf(settings, text(i), i % 5 > 0));
const owner = { entityType: 'item', cohort: 'drama' };

/** Texts of two entity types, of seven cohorts and of none. */
function builderOf(texts: number): PoolBuilder {
  const builder = new PoolBuilder(settings, calibrate);
  for (let i = 0; i < texts; i++)
    builder.add(i % 2 === 0 ? 'item' : 'user', i % 8 === 7 ? null : `c${i % 7}`, text(i), i % 5 > 0, `${i}`);
  return builder;
}

const hashes = (pools: readonly BuiltPool[]) =>
  pools.map(({ key, bytes }) => [key, createHash('sha256').update(new Uint8Array(bytes)).digest('hex')]);

test('one thread and two: the same pools in the same order, byte for byte', async () => {
  for (const texts of [0, 1, 7, 300]) {
    const prompts = new Map(Array.from({ length: texts }, (_, i) => [`${i}`, Int32Array.from(text(i + 3))]));
    const alone = builderOf(texts).build(prompts);
    const beside = await builderOf(texts).buildBeside(undefined, 0, async () => prompts);
    assert.equal(hashes(beside), hashes(alone), `${texts} texts`);
  }
});

test('a cohort in the thread: what it is without one, of a pool that is there already too', () =>
  inFolder(async (folder) => {
    const dir = join(folder, 'pools');
    await writePools(dir, [buildPool(settings, owner, documents)], {});
    const [entry] = (await readPoolList(dir)).pools;
    assert.ok(entry);
    const earlier = { dir, entry };
    const thread = new CohortThread(settings);
    try {
      const jobs = [
        { ...owner, documents, share: 1 / 3 },
        { ...owner, documents },
        { entityType: 'user', cohort: null, documents, share: 1 / 1 },
        { ...owner, documents: [], share: 1 / 2 },
      ];
      const built = await Promise.all(jobs.map((job) => thread.build(job)));
      assert.equal(
        built,
        jobs.map((job) => new CohortBuilder(settings).build(job)),
      );
      const fitted = { ...owner, documents, share: 1 / 3 };
      const judged = await thread.build(fitted, earlier);
      assert.equal(judged, new CohortBuilder(settings).build(fitted, openEarlier(earlier)));
      assert.is(judged.trie, undefined);
      assert.equal(judged.opinions, built[0]?.opinions, 'as of the pool in memory');
    } finally {
      await thread.close();
    }
  }));

test("a pool that can't be read: the thread's error keeps its sentence, hint and exit code, and the next job is done", () =>
  inFolder(async (dir) => {
    const { metadata } = buildPool(settings, owner, documents);
    const entry = { ...metadata, file: 'gone.arrow', sha256: '', size: 1 };
    const thread = new CohortThread(settings);
    try {
      const job = { ...owner, documents, share: 1 / 1 };
      const [error, next] = await Promise.all([
        errorOf(() => thread.build(job, { dir, entry })),
        thread.build(job),
      ]);
      assert.is(error.message, (await errorOf(async () => openEarlier({ dir, entry }))).message);
      assert.match(error.message, /gone\.arrow/);
      assert.is(error.exitCode, 2);
      assert.match(error.hint ?? '', /dare pools/);
      assert.ok(next.trie);
    } finally {
      await thread.close();
    }
  }));

test('a closed thread: what waits is told in one sentence, and so is what comes later', async () => {
  const thread = new CohortThread(settings);
  const waiting = errorOf(() => thread.build({ ...owner, documents }));
  await thread.close();
  const later = await errorOf(() => thread.build({ ...owner, documents }));
  for (const { message, exitCode } of [await waiting, later])
    assert.equal([message, exitCode], ['The thread that builds pools was closed', 1]);
});

test('stopped before, and while the thread builds: the reason is thrown', async () => {
  const reason = new Error('stopped by SIGINT');
  const aborted = AbortSignal.abort(reason);
  assert.is(await thrownBy(builderOf(20).buildBeside(aborted, 0)), reason);
  const stop = new AbortController();
  const building = builderOf(20).buildBeside(stop.signal, 0);
  stop.abort(reason);
  assert.is(await thrownBy(building), reason);
});

/** What it rejects with: not one of our errors. */
async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test.run();
