/** What stages do to a lake in a real store: before, meanwhile, afterwards, and when they fail. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/schema.js';
import { messageOf, runError } from '../../src/errors.js';
import { LeaseLost, nobodys } from '../../src/store/lease.js';
import { type LakeTimes, lakeTimes, RemoteLake } from '../../src/store/remote-lake.js';
import { inEnvironment } from '../etl/environment.js';
import { bucket, cleanUp, freshLake, type Machine, machine } from './fixture.js';
import type { S3Server } from './server.js';

const partition = 'a';
const config = {
  partition,
  pools: {},
  decode: { reuse: 'off' },
  cohorts: {},
} as unknown as Config;
const unfinished = `_unfinished/texts/partition=${partition}`;

interface Place {
  server: S3Server;
  prefix: string;
  one: Machine;
  lake: RemoteLake;
  /** Another machine, with its lake. */
  other(times?: Partial<LakeTimes>): Promise<{ two: Machine; lake: RemoteLake }>;
  objects(): Promise<string[]>;
}

function lakeTest(name: string, run: (place: Place) => Promise<void>): void {
  test(
    name,
    inEnvironment('s3', async () => {
      const { server, prefix } = await freshLake();
      const open = async (changed: Partial<LakeTimes> = { saving: 20 }) => {
        const two = await machine(server, bucket, prefix);
        const times = { ...lakeTimes, ...changed };
        const lake = new RemoteLake({ store: two.store, prefix, root: two.root }, config, two.tools, times);
        await lake.open(() => false);
        return { two, lake };
      };
      const { two: one, lake } = await open();
      const objects = async () =>
        (await one.store.list(`${prefix}/`)).map(({ key }) => key.slice(prefix.length + 1));
      await run({ server, prefix, one, lake, other: open, objects });
    }),
  );
}

test.after(cleanUp);

lakeTest('finished texts travel while others are decoded', async ({ server, prefix, one, lake, objects }) => {
  const key = `${unfinished}/whole/rows-0.log`;
  await lake.during('decode', async () => {
    const saved = server.next(({ method, path }) => method === 'PUT' && path === `/lakes/${prefix}/${key}`);
    one.write(key, 'a finished text');
    await saved;
    assert.is(await server.text(bucket, `${prefix}/${key}`), 'a finished text');
    one.remove(key);
    one.write(`texts/partition=${partition}/texts.parquet`, 'all texts');
  });
  assert.equal(await objects(), [`texts/partition=${partition}/texts.parquet`]);
});

lakeTest(
  'a stage that fails leaves in the store what it had finished, and no lock',
  async ({ one, lake, other, objects }) => {
    const failing = lake.during('decode', async () => {
      one.write(`${unfinished}/whole/journal`, 'kept\n');
      throw runError('the GPU is gone');
    });
    assert.is(await failing.catch(messageOf), 'the GPU is gone');
    assert.equal(await objects(), [`${unfinished}/whole/journal`]);
    const { two, lake: elsewhere } = await other();
    await elsewhere.during('decode', async () => {
      assert.is(two.read(`${unfinished}/whole/journal`), 'kept\n');
    });
  },
);

lakeTest('where the push fails too the first reason counts', async ({ server, one, lake }) => {
  server.disturb = ({ method, path }) =>
    method === 'PUT' && path.endsWith('/journal') ? 'refuse' : undefined;
  const failing = lake.during('decode', async () => {
    one.write(`${unfinished}/whole/journal`, 'kept\n');
    throw runError('the GPU is gone');
  });
  assert.is(await failing.catch(messageOf), 'the GPU is gone');
  assert.match(
    one.warnings.join(),
    /after "the GPU is gone": what was finished is in the working copy of this machine alone/,
  );
});

lakeTest(
  'what a stage could not push is pushed when there is nothing else to do',
  async ({ server, one, lake, objects }) => {
    const manifest = `cohorts/partition=${partition}/_manifest.json`;
    server.disturb = ({ method, path }) =>
      method === 'PUT' && path.endsWith(manifest) ? 'refuse' : undefined;
    const cut = lake.during('segment', async () => {
      one.write(`cohorts/partition=${partition}/cohorts.parquet`, 'cohorts');
      one.write(manifest, '{}');
    });
    assert.match(String(await cut.catch(messageOf)), /access is denied$/);
    server.disturb = () => undefined;
    await lake.finish('prompts');
    assert.equal(await objects(), [`cohorts/partition=${partition}/cohorts.parquet`]);
    await lake.finish('segment');
    assert.equal(await objects(), [manifest, `cohorts/partition=${partition}/cohorts.parquet`]);
    server.seen = [];
    await lake.finish('segment');
    assert.equal(server.seen, []);
  },
);

lakeTest('machines agree on the first file that fits', async ({ one, lake, other, objects }) => {
  const file = `${unfinished}/costs/table.json`;
  const { two, lake: second } = await other();
  const { two: three, lake: third } = await other();
  one.write(file, '"first"');
  two.write(file, '"second"');
  three.write(file, '"third"');
  const agree = (machine: Machine, lake: RemoteLake, accepts: boolean) =>
    lake.share(`${machine.root}/${file}`, () => accepts);
  assert.is(await agree(one, lake, false), '"first"');
  assert.equal([await agree(two, second, true), two.read(file)], ['"first"', '"first"']);
  // of another model
  assert.equal([await agree(three, third, false), three.read(file)], ['"third"', '"third"']);
  assert.is(await agree(one, lake, true), '"third"');
  await lake.during('decode', async () => one.remove(file));
  assert.equal(await objects(), []);
});

/** What another machine does that finds a lock run out. */
async function takeAway(server: S3Server, prefix: string): Promise<void> {
  await server.put(bucket, `${prefix}/_locks/texts/partition=${partition}/whole-1`, nobodys);
}

async function lossOf(work: Promise<unknown>): Promise<LeaseLost> {
  const error = await work.catch((thrown: unknown) => thrown);
  assert.instance(error, LeaseLost, messageOf(error));
  return error as LeaseLost;
}

const table = `texts/partition=${partition}/texts.parquet`;
const rows = `${unfinished}/whole/rows-0.log`;

lakeTest(
  'whoever has lost its lock pushes nothing, keeps what it has, and exits with 1',
  async ({ server, prefix, other, objects }) => {
    const { two, lake } = await other({});
    const lost = await lossOf(
      lake.during('decode', async () => {
        two.write(rows, 'finished');
        two.write(table, 'all texts');
        await takeAway(server, prefix);
      }),
    );
    assert.is(lost.exitCode, 1);
    assert.match(lost.message, /^the texts of partition a: .*: nothing more is written to the store$/);
    assert.equal(await objects(), [`_locks/texts/partition=${partition}/whole-1`]);
    assert.equal([two.read(rows), two.read(table)], ['finished', 'all texts']);
  },
);

lakeTest(
  'where the work fails on its own the first reason counts, and nothing is pushed',
  async ({ server, prefix, other, objects }) => {
    const { two, lake } = await other({});
    const failing = lake.during('decode', async () => {
      two.write(rows, 'finished');
      await takeAway(server, prefix);
      throw runError('the GPU is gone');
    });
    assert.is(await failing.catch(messageOf), 'the GPU is gone');
    assert.match(two.warnings.join(), /in the working copy of this machine alone: .*no longer this run's/);
    assert.equal(await objects(), [`_locks/texts/partition=${partition}/whole-1`]);
  },
);

for (const [by, times] of [
  ['a renewal', { renewal: 20 }],
  ['the saving of finished texts', { saving: 20 }],
] as const) {
  lakeTest(
    `work whose lock is lost is stopped: ${by} notices`,
    async ({ server, prefix, other, objects }) => {
      const { two, lake } = await other(times);
      const lost = await lossOf(
        lake.during('decode', async () => {
          await takeAway(server, prefix);
          two.write(rows, 'finished');
          // as a stage between two steps; what it throws is a consequence
          await new Promise((resolve) => lake.signal.addEventListener('abort', resolve));
          throw runError('a step was not finished');
        }),
      );
      assert.is(lake.signal.reason, lost);
      assert.equal(await objects(), [`_locks/texts/partition=${partition}/whole-1`]);
    },
  );
}

lakeTest(
  'a lock that is lost while tables are pushed keeps their manifests here',
  async ({ server, prefix, other, objects }) => {
    const { two, lake } = await other({});
    server.disturb = async ({ method, path }) => {
      if (method === 'PUT' && path.endsWith(table)) await takeAway(server, prefix);
      return undefined;
    };
    const manifest = `texts/partition=${partition}/_manifest.json`;
    await lossOf(
      lake.during('decode', async () => {
        two.write(table, 'all texts');
        two.write(manifest, '{}');
        two.write(rows, 'finished');
      }),
    );
    assert.equal(await objects(), [`_locks/texts/partition=${partition}/whole-1`, table]);
  },
);

lakeTest('what only reads writes nothing, not even a lock', async ({ server, lake }) => {
  server.seen = [];
  await lake.during('plan', async () => undefined);
  assert.ok(
    server.seen.every(({ method }) => method === 'GET'),
    'it wrote',
  );
});

test.run();
