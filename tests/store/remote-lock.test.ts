/** Locks in a real store, as several machines take them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../src/errors.js';
import { LockHeld } from '../../src/lake/lock.js';
import { ownIdentity, type ProcessIdentity } from '../../src/lake/process.js';
import { type LeaseTimes, leaseTimes } from '../../src/store/lease.js';
import { type LockName, lakeLock, RemoteLocks } from '../../src/store/remote-lock.js';
import { inEnvironment } from '../etl/environment.js';
import { bucket, cleanUp, freshLake, type Machine, machine } from './fixture.js';
import type { S3Server } from './server.js';

const texts: LockName = { name: 'texts/partition=a/whole', what: 'the texts of partition a' };
const others: LockName = { name: 'texts/partition=b/whole', what: 'the texts of partition b' };
/** No process has this number. */
const nobody = 2 ** 22 + 1;
/** No lock is renewed in these tests: what holds one is given back before. */
const times: LeaseTimes = { ...leaseTimes, look: 20 };

interface Place {
  one: Machine;
  prefix: string;
  server: S3Server;
  /** A process of this machine that wants locks. */
  locks(): RemoteLocks;
  /** A lock that somebody left who differs from this process. */
  leave(name: string, changes: Partial<ProcessIdentity> & { copy?: string }): Promise<void>;
  /** Keys of all locks, below their folder. */
  held(): Promise<string[]>;
}

function lockTest(name: string, run: (place: Place) => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => {
      const { server, prefix } = await freshLake();
      const one = await machine(server, bucket, prefix);
      await run({
        one,
        prefix,
        server,
        locks: () =>
          new RemoteLocks({ store: one.store, prefix, copy: 'copy' }, one.tools, () => undefined, times),
        leave: (lock, changes) =>
          server.put(bucket, `${prefix}/_locks/${lock}`, JSON.stringify({ ...ownIdentity(), ...changes })),
        held: async () => {
          const folderOf = `${prefix}/_locks/`;
          return (await one.store.list(folderOf)).map(({ key }) => key.slice(folderOf.length));
        },
      });
    }),
  );
}

test.after(cleanUp);

async function refusal(work: Promise<unknown>): Promise<LockHeld> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, LockHeld, messageOf(error));
    return error as LockHeld;
  }
  throw new Error('the lock was not refused');
}

lockTest('one has it, the other is told who; given back it is free', async ({ locks, held }) => {
  const [one, two] = [locks(), locks()];
  await one.take([texts, others]);
  assert.equal(await held(), ['texts/partition=a/whole-1', 'texts/partition=b/whole-1']);
  const { message, exitCode } = await refusal(two.take([texts]));
  assert.match(message, /^the texts of partition a: another run is at work on it, process \d+ on /);
  assert.is(exitCode, 1);
  await one.release();
  await two.take([texts]);
  await two.release();
  assert.equal(await held(), []);
});

lockTest(
  'of several that come at once at most one gets it, and the others leave nothing',
  async ({ locks, held }) => {
    const all = Array.from({ length: 6 }, () => locks());
    const ended = await Promise.allSettled(all.map((one) => one.take([texts])));
    const got = ended.filter(({ status }) => status === 'fulfilled').length;
    assert.ok(got <= 1, `${got} have it`);
    assert.is((await held()).length, got);
  },
);

lockTest('where one of several is held none is taken', async ({ locks, held }) => {
  const [one, two] = [locks(), locks()];
  await one.take([others]);
  await refusal(two.take([texts, others]));
  assert.equal(await held(), ['texts/partition=b/whole-1']);
});

lockTest('the lock of a process that is gone is taken over', async ({ one, locks, leave, held }) => {
  await leave('texts/partition=a/whole-1', { pid: nobody, copy: 'copy' });
  await locks().take([texts]);
  assert.equal(await held(), ['texts/partition=a/whole-2']);
  assert.match(one.warnings.join(), /the run that held the lock is gone \(process 4194305 on .*taken over/);
});

lockTest('the lock of the lake excludes all others, both ways', async ({ locks, held }) => {
  const [one, two] = [locks(), locks()];
  await one.take([texts]);
  assert.match((await refusal(two.take([lakeLock]))).message, /^the lake: another run is at work on it/);
  await one.release();
  await two.take([lakeLock]);
  await refusal(one.take([texts]));
  assert.equal(await held(), ['lake-1']);
});

test.run();
