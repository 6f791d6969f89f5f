/** Locks as leases: renewed, run out by the store's clock, taken over, lost. */
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../src/errors.js';
import { LockHeld } from '../../src/lake/lock.js';
import { ownIdentity, type ProcessIdentity } from '../../src/lake/process.js';
import { LeaseLost, type LeaseTimes, leaseTimes } from '../../src/store/lease.js';
import { type LockName, lakeLock, RemoteLocks } from '../../src/store/remote-lock.js';
import { inEnvironment } from '../etl/environment.js';
import { bucket, cleanUp, freshLake, machine } from './fixture.js';
import type { S3Server, Seen } from './server.js';

const texts: LockName = { name: 'texts/partition=a/whole', what: 'the texts of partition a' };
const elsewhere: ProcessIdentity = { ...ownIdentity(), host: 'elsewhere' };
const second = 1000;
const past = leaseTimes.expiry + 5 * second;
/** Renewals are the tests' own; looks follow each other soon. */
const times: LeaseTimes = { ...leaseTimes, look: 20 };

interface Taker {
  locks: RemoteLocks;
  /** What it said, of any level. */
  said: string[];
  /** Settles when it says that it waits. */
  waits: Promise<void>;
  /** Settles when it is told that a lock is lost. */
  lost: Promise<LeaseLost>;
  stop(): void;
}

interface Place {
  server: S3Server;
  taker(identity?: ProcessIdentity, changed?: Partial<LeaseTimes> & { copy?: string }): Promise<Taker>;
  /** Whether a request is one of the lock's object with that number. */
  isOf(number: number, method: string): (seen: Seen) => boolean;
  remove(number: number): Promise<void>;
  /** Keys of all locks, below their folder. */
  held(): Promise<string[]>;
}

async function newPlace(): Promise<Place> {
  const { server, prefix } = await freshLake();
  const key = (number: number) => `${prefix}/_locks/${texts.name}-${number}`;
  const { store } = await machine(server, bucket, prefix);
  return {
    server,
    async taker(identity = ownIdentity(), { copy = 'copy', ...changed } = {}) {
      const said: string[] = [];
      const stopping = new AbortController();
      let wait = () => {};
      const waits = new Promise<void>((resolve) => {
        wait = resolve;
      });
      const say = (_: object, text: string) => {
        said.push(text);
        if (text.includes('waiting to see whether')) wait();
      };
      const log = { debug: say, info: say, warn: say, error: say };
      let lose: (error: LeaseLost) => void = () => {};
      const lost = new Promise<LeaseLost>((resolve) => {
        lose = resolve;
      });
      const tools = { log, signal: stopping.signal };
      const place = { store, prefix, copy };
      const locks = new RemoteLocks(place, tools, lose, { ...times, ...changed }, identity);
      return { locks, said, waits, lost, stop: () => stopping.abort(new Error('stopped')) };
    },
    isOf: (number, method) => (seen) => seen.method === method && seen.path === `/${bucket}/${key(number)}`,
    async remove(number) {
      await server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key(number) }));
    },
    held: async () =>
      (await store.list(`${prefix}/_locks/`)).map((object) => object.key.slice(`${prefix}/_locks/`.length)),
  };
}

function leaseTest(name: string, run: (place: Place) => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => run(await newPlace())),
  );
}

test.after(cleanUp);

/** What it was refused with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Who takes a lock -> whose it may be, as far as this process can tell. */
const strangers: [what: string, identity: ProcessIdentity, copy: string][] = [
  ['another host', elsewhere, 'copy'],
  // a machine that was started again, or two that call themselves the same
  [
    'another start of the host, another working copy',
    { ...ownIdentity(), boot: 'another' },
    'another working copy',
  ],
  ['another container', { ...ownIdentity(), namespace: 'pid:[1]' }, 'copy'],
];
for (const [what, identity, copy] of strangers) {
  leaseTest(`${what}: waited for, and taken over when its time has run out`, async ({ server, ...place }) => {
    const owner = await place.taker(identity, { copy });
    await owner.locks.take([texts]);
    const next = await place.taker();
    const taking = next.locks.take([texts]);
    await next.waits;
    assert.match(next.said.join(), /^the texts of partition a: another run holds the lock, process \d+ on /);
    server.ahead += past;
    await taking;
    assert.equal(await place.held(), [`${texts.name}-2`]);
    assert.match(
      next.said.at(-1) ?? '',
      /^the texts of partition a: the run that held the lock has not renewed it for 5 minutes \(process \d+ on .*\): taken over$/,
    );
    assert.instance(await failure(owner.locks.confirm()), LeaseLost);
    await owner.locks.release();
    assert.equal(await place.held(), [`${texts.name}-2`], 'what it lost is not its to give back');
    await next.locks.release();
    assert.equal(await place.held(), []);
  });
}

leaseTest('another start of the host with the same working copy is known to be gone', async (place) => {
  await (await place.taker({ ...ownIdentity(), boot: 'another' })).locks.take([texts]);
  const next = await place.taker();
  await next.locks.take([texts]);
  assert.match(next.said.join(), /^[^,]+: the run that held the lock is gone \(/);
  await next.locks.release();
});

leaseTest('whoever waits sees it renewed, and is refused then', async (place) => {
  const owner = await place.taker(elsewhere);
  await owner.locks.take([texts]);
  const next = await place.taker();
  const taking = failure(next.locks.take([texts]));
  await next.waits;
  await owner.locks.confirm();
  const error = await taking;
  assert.instance(error, LockHeld);
  assert.match(messageOf(error), /another run is at work on it, process \d+ on elsewhere/);
  await owner.locks.release();
});

leaseTest('whoever waits can be stopped, and gets it when it is given back', async (place) => {
  const owner = await place.taker(elsewhere);
  await owner.locks.take([texts]);
  const stopped = await place.taker();
  const stopping = failure(stopped.locks.take([texts]));
  await stopped.waits;
  stopped.stop();
  assert.is(messageOf(await stopping), 'stopped');
  const next = await place.taker();
  const taking = next.locks.take([texts]);
  await next.waits;
  await owner.locks.release();
  await taking;
  assert.equal(await place.held(), [`${texts.name}-1`]);
  await next.locks.release();
});

test(
  'it is taken over if and only if its last renewal is too old by the store’s clock, whatever ours says',
  inEnvironment('s3', async () => {
    // no sum of these lies near the five minutes
    const steps = fc.array(
      fc.record({ seconds: fc.constantFrom(0, 70, 140, 210, 350), renewed: fc.boolean() }),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -7200, max: 7200 }), steps, async (ahead, taken) => {
        const { server, ...place } = await newPlace();
        server.ahead = ahead * second;
        const owner = await place.taker(elsewhere);
        await owner.locks.take([texts]);
        let age = 0;
        for (const { seconds, renewed } of taken) {
          server.ahead += seconds * second;
          age += seconds;
          // nobody has asked for it: it may be late
          if (renewed) await owner.locks.confirm();
          if (renewed) age = 0;
        }
        const next = await place.taker();
        const taking = next.locks.take([texts]);
        const waits = next.waits.then(() => 'waits');
        const ended = await Promise.race([waits, taking.then(() => 'taken')]);
        assert.is(ended, age * second > leaseTimes.expiry ? 'taken' : 'waits');
        next.stop();
        if (ended === 'waits') await failure(taking);
        await Promise.all([owner.locks.release(), next.locks.release()]);
        assert.equal(await place.held(), []);
      }),
      { numRuns: 8 },
    );
  }),
);

leaseTest(
  'of an owner that comes back and one that takes over exactly one has it',
  async ({ server, ...place }) => {
    // before which request of the taking the owner renews
    const moments: [method: string, number: number, has: 'owner' | 'next'][] = [
      ['PUT', 2, 'owner'],
      ['PUT', 1, 'owner'],
      ['DELETE', 1, 'next'],
    ];
    for (const [method, number, has] of moments) {
      const owner = await place.taker(elsewhere);
      await owner.locks.take([texts]);
      server.ahead += past;
      let renewing: Promise<unknown> | undefined;
      const now = place.isOf(number, method);
      server.disturb = async (seen) => {
        if (renewing !== undefined || !now(seen)) return undefined;
        renewing = owner.locks.confirm().catch((error) => error);
        await renewing;
        return undefined;
      };
      const next = await place.taker();
      const taken = await next.locks.take([texts]).then(
        () => undefined,
        (error) => error,
      );
      assert.ok(renewing, `${method} ${number} never came`);
      const [lost, refused] = [await renewing, taken];
      assert.equal(
        [lost instanceof LeaseLost, refused instanceof LockHeld],
        has === 'owner' ? [false, true] : [true, false],
        `${method} ${number}: ${messageOf(lost)}, ${messageOf(refused)}`,
      );
      server.disturb = () => undefined;
      assert.equal(await place.held(), [`${texts.name}-${has === 'owner' ? 1 : 2}`]);
      await owner.locks.release();
      await next.locks.release();
    }
  },
);

leaseTest('of several that find one that has run out at most one gets it', async ({ server, ...place }) => {
  await (await place.taker(elsewhere)).locks.take([texts]);
  server.ahead += past;
  const all = await Promise.all(
    Array.from({ length: 5 }, (_, i) => place.taker({ ...elsewhere, host: `host${i}` })),
  );
  const taking = all.map(async ({ locks, waits, stop }) => {
    void waits.then(stop);
    await locks.take([texts]);
    await locks.confirm();
  });
  const ended = await Promise.allSettled(taking);
  const got = ended.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(got <= 1, `${got} have it`);
  const free = await place.taker();
  if (got === 0) await free.locks.take([texts]);
  assert.is((await place.held()).length, 1);
  for (const { locks } of [...all, free]) await locks.release();
});

leaseTest('the lock of the lake takes away what has run out of others', async ({ server, ...place }) => {
  const owner = await place.taker(elsewhere);
  await owner.locks.take([texts]);
  server.ahead += past;
  const next = await place.taker();
  await next.locks.take([lakeLock]);
  assert.equal(await place.held(), ['lake-1']);
  assert.instance(await failure(owner.locks.confirm()), LeaseLost);
  await next.locks.release();
});

leaseTest('it is renewed by itself; lost, whoever holds it is told', async ({ server, ...place }) => {
  const owner = await place.taker(elsewhere, { renewal: 20 });
  await owner.locks.take([texts]);
  server.ahead += past;
  await server.next(place.isOf(1, 'PUT'));
  const next = await place.taker();
  assert.instance(await failure(next.locks.take([texts])), LockHeld);
  await place.remove(1);
  const { message, exitCode } = await owner.lost;
  assert.match(
    message,
    /^the texts of partition a: the lock is no longer this run's, for it was not renewed/,
  );
  assert.is(exitCode, 1);
  await next.locks.take([texts]);
  await owner.locks.release();
  assert.equal(await place.held(), [`${texts.name}-1`], "not the other's of the same name");
  await next.locks.release();
});

leaseTest('a renewal whose answer is lost is one', async ({ server, ...place }) => {
  const owner = await place.taker();
  await owner.locks.take([texts]);
  let left = 1;
  const renewal = place.isOf(1, 'PUT');
  server.disturb = (seen) => (renewal(seen) && left-- > 0 ? 'forget' : undefined);
  await owner.locks.confirm();
  assert.ok(left <= 0);
  await owner.locks.confirm();
  await owner.locks.release();
  assert.equal(await place.held(), []);
});

leaseTest(
  'a store out of reach is no loss: it is said once, and tried again',
  async ({ server, ...place }) => {
    const owner = await place.taker(ownIdentity(), { renewal: 20 });
    await owner.locks.take([texts]);
    const renewal = place.isOf(1, 'PUT');
    let [refused, enough] = [0, () => {}];
    const several = new Promise<void>((resolve) => {
      enough = resolve;
    });
    server.disturb = (seen) => {
      if (!renewal(seen)) return undefined;
      if (++refused === 3) enough();
      return 'refuse';
    };
    await several;
    server.disturb = () => undefined;
    await owner.locks.confirm();
    await owner.locks.release();
    assert.is(owner.said.length, 1, owner.said.join('\n'));
    assert.match(owner.said.join(), /^the lock could not be renewed, it is tried again: .*access is denied$/);
    assert.equal(await place.held(), []);
  },
);

leaseTest('a store that does not say what time it is: no lock is judged', async ({ server, ...place }) => {
  const owner = await place.taker(elsewhere);
  await owner.locks.take([texts]);
  server.disturb = ({ method }) => (method === 'GET' ? 'undated' : undefined);
  const next = await place.taker();
  const error = await failure(next.locks.take([texts]));
  assert.match(messageOf(error), /whole-1 came without the time \(Date\)/);
  server.disturb = () => undefined;
  await owner.locks.release();
});

test.run();
