/** `dare forget`: no row of whoever is to be forgotten is left anywhere, all others are as they were, and fresh. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { status } from '../../pipeline/status.js';
import { loadConfig } from '../../src/config/load.js';
import { Lake } from '../../src/lake/lake.js';
import { RunLock } from '../../src/lake/lock.js';
import { readManifest, replaceTable, writeManifest } from '../../src/lake/manifest.js';
import { readPoolList } from '../../src/pool/folder.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import {
  bytesBelow,
  contextIn,
  filesBelow,
  inFolder,
  readTable,
  sampleInputs,
  writeTable,
} from '../prompts/fixture.js';
import { editJson, oneByOne, sampleModel, smallCatalogue } from './fixture.js';
import { keptRows, killedAt } from './killed.js';

type Row = Record<string, unknown>;

function resultFrom(finished: Finished): Record<string, unknown> {
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

/** Every file of rows in a lake: tables, kept features, parts and shards of unfinished ones. */
async function rowsBelow(lake: string): Promise<Map<string, Row[]>> {
  const files = filesBelow(lake).filter((file) => /\.(parquet|earlier|rows)$/.test(file));
  const tables = new Map<string, Row[]>();
  for (const file of files) tables.set(file, await readTable(join(lake, file)));
  return tables;
}

async function states(config: string, set: string[] = []): Promise<string[]> {
  const loaded = loadConfig(config, set);
  const { tables } = await status({ config: loaded, lake: new Lake(loaded.lake) });
  return (tables as Row[]).map(({ partition, table, state }) => `${partition} ${table} ${state}`);
}

test('a user and an item are taken out of a lake in the middle of its work', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dare-forget-'));
  try {
    const { config } = smallCatalogue(folder);
    const root = join(folder, 'lake');
    const lake = new Lake(root);
    const onA = ['--config', config, '--quiet'];
    const onB = [...onA, '--partition', 'b'];
    resultFrom(await dare(['run', ...onA, '--set', 'publish.vectors=none']));
    resultFrom(await dare(['publish', ...onA]));
    for (const stage of ['segment', 'prompts', 'pools']) resultFrom(await dare([stage, ...onB]));
    // texts that were taken over would be there at once: nothing to be killed in
    const [first, second] = ['1/2', '2/2'].map((shard) => [
      'decode',
      ...onB,
      '--set',
      'decode.reuse=off',
      '--shard',
      shard,
    ]) as [string[], string[]];
    resultFrom(await dare(first));
    const kept = join(lake.unfinished('texts', 'b'), 'part-2-of-2');
    assert.ok((await killedAt([...second, ...oneByOne], { folder: kept, rows: 6 })).killed);
    const finished = keptRows(kept);

    const texts = await readTable(lake.file('texts', 'a'));
    // one whose text is kept, so that it must be taken out there too
    const log = readdirSync(kept)
      .filter((name) => name.endsWith('.log'))
      .map((name) => readFileSync(join(kept, name), 'utf8'))
      .join();
    const isKept = ({ prompt_id }: Row) => log.includes(JSON.stringify(prompt_id));
    const idOf = (type: string) =>
      texts.find((row) => row.entity_type === type && isKept(row))?.entity_id as string | undefined;
    const whom: Row = { user: idOf('user') ?? texts.find((row) => row.entity_type === 'user')?.entity_id };
    whom.item = idOf('item') ?? texts.find((row) => row.entity_type === 'item')?.entity_id;
    const isTheirs = (row: Row) => row.entity_id === whom[row.entity_type as string];
    const keptOfThem = texts.filter((row) => isTheirs(row) && isKept(row)).length;
    assert.ok(keptOfThem > 0);

    const before = await rowsBelow(root);
    const fresh = await states(config);
    assert.ok(fresh.includes('a features fresh') && fresh.includes('b pools fresh'), fresh.join(', '));
    const pools = (await readManifest(lake.dir('pools', 'b')))?.version;

    writeFileSync(lake.report('a'), `a page that quotes ${whom.user}`);
    const described = join(lake.dir('texts', 'a'), '_manifest.json');
    const named = [
      `1 of 9 prompts could not be decoded: kar:user:0: too long; kar:user:${whom.user}: too long`,
      `ratings.csv: 3 of 9 ratings are of items that inputs.items does not have, such as "${whom.item}"`,
    ];
    const others = [
      `kar: ${whom.user} of ${whom.item} users have no prompt`,
      `1 of 9 prompts could not be decoded: kar:user:${whom.user}0: too long; kar:item:0${whom.item}: too long`,
    ];
    const lastRun = { seconds: 1, warnings: [named[0], others[0], named[1], others[1]] };
    editJson(described, { lastRun });
    editJson(join(lake.dir('pools', 'b'), '_manifest.json'), { lastRun });

    const args = ['--user', String(whom.user), '--item', String(whom.item)];
    const result = resultFrom(await dare(['forget', ...onA, ...args]));

    const after = await rowsBelow(root);
    const removed: Record<string, number> = {};
    for (const [file, rows] of before) {
      if (file.endsWith('.rows')) continue;
      assert.equal(
        after.get(file),
        rows.filter((row) => !isTheirs(row)),
        file,
      );
      removed[file] = rows.filter(isTheirs).length;
    }
    for (const [file, rows] of after) assert.equal(rows.filter(isTheirs), [], file);
    const told = result.removed as { partition: string; table: string; rows: number }[];
    const of = (table: string, partition: string) =>
      told.find((one) => one.table === table && one.partition === partition)?.rows ?? 0;
    for (const partition of ['a', 'b']) {
      for (const table of ['cohorts', 'prompts', 'texts', 'features'])
        assert.is(of(table, partition), removed[`${table}/partition=${partition}/${table}.parquet`] ?? 0);
    }
    assert.is(of('earlier features', 'a'), 2);
    const shard = '_unfinished/texts/partition=b/part-1-of-2.parquet';
    assert.is(of('unfinished texts', 'b'), (removed[shard] as number) + keptOfThem);

    assert.not.ok(existsSync(lake.report('a')));
    // of the warnings those go that name them
    assert.equal((await readManifest(lake.dir('texts', 'a')))?.lastRun, { seconds: 1, warnings: others });
    // pools that were built anew say how that went
    const built = (await readManifest(lake.dir('pools', 'b')))?.lastRun as { seconds: number; warnings: [] };
    assert.equal([typeof built.seconds, built.warnings], ['number', []]);

    // the pools are those that the texts that are left make, and only b has some
    assert.equal(result.pools, ['b']);
    const rebuilt = (await readManifest(lake.dir('pools', 'b')))?.version;
    assert.is.not(rebuilt, pools);
    rmSync(lake.dir('pools', 'b'), { recursive: true });
    resultFrom(await dare(['pools', ...onB]));
    assert.is((await readManifest(lake.dir('pools', 'b')))?.version, rebuilt);
    assert.equal(await states(config), fresh);

    // work goes on behind what is left of it
    assert.equal(resultFrom(await dare(first)).skipped, true);
    assert.is(resultFrom(await dare(second)).resumed, finished - keptOfThem);
    resultFrom(await dare(['publish', ...onB]));
    const prompts = await readTable(lake.file('prompts', 'b'));
    assert.equal(
      (await readTable(lake.file('texts', 'b'))).map((row) => row.prompt_id),
      prompts.map((row) => row.prompt_id),
    );

    const again = resultFrom(await dare(['forget', ...onA, ...args]));
    // the inputs have them still, but features are of those that the partition's cohorts have
    assert.equal([again.removed, again.pools], [[], []]);
    assert.match(String(again.warnings), /no table has rows of any of them/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('pools of a first round of shards are built anew of what is left of it, in the table and before it is joined', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dare-forget-'));
  try {
    const { config } = smallCatalogue(folder);
    const lake = new Lake(join(folder, 'lake'));
    const settings = ['decode.shards=2', 'decode.mode=greedy', 'decode.rounds.first=0.3', 'decode.reuse=off'];
    const on = ['--config', config, ...settings.flatMap((setting) => ['--set', setting])];
    resultFrom(await dare(['run', ...on, '--quiet']));
    const onB = [...on, '--partition', 'b', '--quiet'];
    for (const stage of ['segment', 'prompts']) resultFrom(await dare([stage, ...onB]));
    const stopped = await dare([...['decode', ...on], '--partition', 'b'], undefined, {
      after: ['shard 1/2)', 'shard 2/2)'],
      signal: 'SIGTERM',
    });
    assert.is(stopped.code, 143, stopped.stderr);
    const round = join(lake.unfinished('texts', 'b'), 'first-round/texts.parquet');
    const ofRound = await readTable(round);
    const whom = ofRound.find(({ entity_type }) => entity_type === 'user')?.entity_id;
    const left = (rows: Row[]) =>
      rows.filter(
        (row) => row.pool_version === null && !(row.entity_type === 'user' && row.entity_id === whom),
      );
    const before = await states(config, settings);
    const fresh = before.filter((state) => /^a /.test(state));
    assert.equal(
      fresh.filter((state) => !state.endsWith('fresh')),
      [],
    );

    const result = resultFrom(await dare(['forget', ...on, '--quiet', '--user', String(whom)]));
    assert.equal([result.pools, result.warnings], [['a', 'b'], []]);
    const unfinished = (result.removed as Row[]).find(({ table }) => table === 'unfinished texts');
    assert.equal([unfinished?.partition, Number(unfinished?.rows) > 0], ['b', true]);
    assert.equal(await readTable(round), left(ofRound));
    assert.equal(
      (await states(config, settings)).filter((state) => /^a /.test(state)),
      fresh,
    );
    for (const [partition, file] of [
      ['a', lake.file('texts', 'a')],
      ['b', round],
    ] as const) {
      const rows = left(await readTable(file));
      assert.ok(rows.length > 5);
      const texts = join(folder, `left-${partition}.parquet`);
      await writeTable(
        texts,
        {
          prompt_id: 'VARCHAR',
          entity_type: 'VARCHAR',
          cohort: 'VARCHAR',
          finish_reason: 'VARCHAR',
          text: 'VARCHAR',
        },
        rows,
      );
      const out = join(folder, `pools-${partition}`);
      resultFrom(
        await dare(['pools', '--texts', texts, '--tokenizer', sampleModel, '--out', out, '--quiet']),
      );
      // those without a lake don't know the prompts, behind which the shared pool learns what chances are worth
      const versions = async (dir: string) =>
        (await readPoolList(dir)).pools.map(({ cohort, tokens, version }) => [
          cohort,
          tokens,
          cohort === null ? '' : version,
        ]);
      assert.equal(await versions(lake.dir('pools', partition)), await versions(out), partition);
    }

    // nobody: what was made of them is what would be made of them
    const none = await dare(['forget', ...on, '--quiet', '--user', 'nobody']);
    assert.equal(resultFrom(none).pools, []);
    // the shards go on behind the first round that is left
    const decoded = resultFrom(await dare(['decode', ...onB]));
    assert.is(decoded.firstRound, left(ofRound).length);
    assert.ok(Number(decoded.resumed) >= Number(decoded.firstRound));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const columns = {
  cohorts: { entity_type: 'VARCHAR', entity_id: 'VARCHAR', cohort: 'VARCHAR', distance: 'DOUBLE' },
  features: {
    entity_type: 'VARCHAR',
    entity_id: 'VARCHAR',
    user_id: 'BIGINT',
    kar: 'VARCHAR',
    kar_vector: 'FLOAT[]',
  },
};
/** Stays, though it is what `a\0b` would be if it ended at the NUL. */
const stays = 'a';
const odd = ["o'bob", '../../etc', 'a\nb', '"q"; DROP TABLE texts; --', '*', '%', 'ü', '7', 'a\0b'];

/** A lake with tables of two kinds in two partitions, and a configuration for it. */
async function oddLake(folder: string): Promise<Lake> {
  const lake = new Lake(join(folder, 'lake'));
  const rows = [...odd, stays].flatMap((entity_id) => [
    { entity_type: 'item', entity_id, kar: 'of an item' },
    { entity_type: 'user', entity_id, kar: 'of a user', kar_vector: [1] },
  ]);
  for (const partition of ['a', 'b']) {
    for (const table of ['cohorts', 'features'] as const) {
      const file = lake.file(table, partition);
      lake.prepare(table, partition);
      await replaceTable(file, 'no', { rows: rows.length, stage: 'x' }, (path) =>
        writeTable(path, columns[table], rows),
      );
    }
  }
  const config = { lake: lake.root, partition: 'x', inputs: sampleInputs, model: { path: 'model' } };
  writeFileSync(
    join(folder, 'dare.yaml'),
    stringify({ ...config, cohorts: { items: { columns: ['genre'] } } }),
  );
  return lake;
}

test('ids with quotes, dots, line breaks and patterns: these users, and nobody else; items of that name stay', async () => {
  await inFolder(async (folder) => {
    const lake = await oddLake(folder);
    const config = ['--config', join(folder, 'dare.yaml'), '--quiet'];
    const pairs = [...odd, 'stays'].flatMap((entityId) =>
      ['user', 'item'].map((entityType) => ({ promptId: entityId, entityType, entityId, relaxed: 'a text' })),
    );
    await writeManifest(lake.prepare('evaluation', 'a'), { rows: 3, pairs });
    const users = join(folder, 'users.txt');
    // no argument can hold a NUL, a line can
    writeFileSync(users, `7\r\n\nü\na\0b\n 7 \n`);
    const options = odd.slice(0, 6).flatMap((id) => ['--user', id]);
    const result = resultFrom(await dare(['forget', ...config, ...options, '--users', users]));
    assert.is(result.rows, 5 * odd.length);
    assert.equal(result.notFound, { users: [' 7 '], items: [] });
    assert.equal(result.warnings, [
      'no table has rows of user " 7 ": ids count as they are written, with blanks and quotes',
    ]);
    const evaluation = {
      rows: 3,
      pairs: pairs.filter((pair) => pair.entityType === 'item' || pair.entityId === 'stays'),
    };
    assert.equal(await readManifest(lake.dir('evaluation', 'a')), evaluation);
    for (const partition of ['a', 'b']) {
      for (const table of ['cohorts', 'features'] as const) {
        const rows = await readTable(lake.file(table, partition));
        assert.equal(
          rows.map((row) => `${row.entity_type} ${row.entity_id}`),
          [...odd.map((id) => `item ${id}`), `item ${stays}`, `user ${stays}`],
        );
        const manifest = await readManifest(lake.dir(table, partition));
        assert.equal([manifest?.rows, manifest?.stage], [odd.length + 2, 'x']);
      }
    }
    // ratings of somebody whom the inputs don't have: no table has rows of them, but a warning names them
    const warnings = [
      '1 of 2 ratings in r.csv are of users that inputs.users does not have, such as "nobody"',
    ];
    for (const dir of [lake.dir('cohorts', 'a'), lake.earlier('features', 'b')]) {
      mkdirSync(dir, { recursive: true });
      const about = existsSync(join(dir, '_manifest.json')) ? await readManifest(dir) : {};
      await writeManifest(dir, { ...about, lastRun: { warnings: [...warnings, 'another'] } });
    }
    const nobody = await dare(['forget', ...config, '--user', 'nobody', '--item', 'user']);
    assert.equal([nobody.code, resultOf(nobody).rows], [0, 0]);
    assert.match(nobody.stderr, /no table has rows of any of them/);
    for (const dir of [lake.dir('cohorts', 'a'), lake.earlier('features', 'b')])
      assert.equal((await readManifest(dir))?.lastRun, { warnings: ['another'] });
  });
});

test('pools of texts that no table has any more, as after prune: a warning says how they are built anew', async () => {
  await inFolder(async (folder) => {
    const lake = await oddLake(folder);
    const origin = { files: {}, tables: {}, configuration: {}, versions: {} };
    for (const [partition, sources] of [
      ['a', 0],
      ['b', 1],
    ] as const)
      await writeManifest(lake.prepare('pools', partition), { version: 'some', sources, origin, pools: [] });
    const args = ['forget', '--config', join(folder, 'dare.yaml'), '--quiet', '--user', '7'];
    assert.equal(resultFrom(await dare(args)).warnings, [
      'pools of b are made of texts that are no longer in the lake, perhaps also of theirs: ' +
        'dare pools --partition P builds them anew without these texts',
    ]);
  });
});

test('refused while a run is at work on a partition, and where it is not said whom: nothing changes', async () => {
  await inFolder(async (folder) => {
    const lake = await oddLake(folder);
    const { log } = contextIn(folder, { inputs: sampleInputs });
    const lock = RunLock.take(join(lake.unfinished('texts', 'b'), 'part-1-of-2.lock'), 'b', log);
    const before = bytesBelow(lake.root);
    const forget = (...args: string[]) =>
      dare(['forget', '--config', join(folder, 'dare.yaml'), '--quiet', ...args]);
    const refused = await forget('--user', '7');
    assert.is(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /another run is at work on it, process/);
    for (const [args, says] of [
      [[], /expected --user ID, --users FILE or --item ID/],
      [['--user', ''], /empty/],
      [['--users', join(folder, 'none.txt')], /--users: .*none\.txt can't be read/],
    ] as const) {
      const { code, stderr } = await forget(...args);
      assert.is(code, 2, stderr);
      assert.match(stderr, says);
    }
    assert.equal(bytesBelow(lake.root), before);
    lock.release();
    assert.is(resultFrom(await forget('--user', '7')).rows, 4);
  });
});

test.run();
