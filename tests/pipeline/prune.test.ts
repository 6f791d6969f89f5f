/** `dare prune`: which partitions and leftovers go, what stays, and that what stays is as fresh as it was. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { Lake, tableNames } from '../../src/lake/lake.js';
import { RunLock } from '../../src/lake/lock.js';
import { readManifest, writeManifest } from '../../src/lake/manifest.js';
import { originOf } from '../../src/lake/origin.js';
import { host } from '../../src/lake/process.js';
import { dare, resultOf } from '../cli/spawn.js';
import { bytesBelow, contextIn, filesBelow, inFolder, sampleInputs } from '../prompts/fixture.js';
import { limited } from './fixture.js';

const { log } = contextIn('/nowhere', { inputs: sampleInputs });

function put(path: string, bytes = 10): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'x'.repeat(bytes));
  return path;
}

/** A lake with tables of some partitions, and a configuration for it. What is in the tables doesn't matter. */
async function lakeOf(folder: string, partitions: readonly string[]): Promise<Lake> {
  const lake = new Lake(join(folder, 'lake'));
  for (const partition of partitions) {
    for (const table of tableNames) {
      const dir = lake.dir(table, partition);
      put(table === 'pools' ? join(dir, `${partition}.arrow`) : lake.file(table, partition));
      const earlier = partitions.filter((name) => name < partition);
      const tables = {
        ...Object.fromEntries(earlier.map((name) => [`texts of ${name}`, `t${name}`])),
        ...(earlier.length > 0 ? { [`cohorts of ${earlier.at(-1)}`]: 'c' } : {}),
        cohorts: `c${partition}`,
      };
      await writeManifest(dir, { rows: 1, origin: { files: {}, tables, configuration: {}, versions: {} } });
    }
  }
  const config = { lake: lake.root, partition: 'x', inputs: sampleInputs, model: { path: 'model' } };
  writeFileSync(
    join(folder, 'dare.yaml'),
    stringify({ ...config, cohorts: { items: { columns: ['genre'] } } }),
  );
  return lake;
}

async function prune(folder: string, ...args: string[]) {
  const finished = await dare(['prune', '--config', join(folder, 'dare.yaml'), '--quiet', ...args]);
  return { ...finished, result: resultOf(finished) };
}

function partitionsOf(lake: Lake): string[][] {
  return tableNames.map((table) => lake.partitions(table));
}

function sizeOf(files: ReadonlyMap<string, string>): number {
  return [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
}

test('the last N partitions by name stay; a dry run tells the same and changes nothing; what stays is as fresh as before', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['2026-10-09', '2026-10-10', '2026-9-30', 'a']);
    put(join(lake.earlier('features', '2026-10-09'), 'features.earlier'));
    put(join(lake.unfinished('texts', '2026-10-09'), 'whole', 'journal'));
    // a pool that a later partition has taken over takes no place of its own
    const pool = join(lake.dir('pools', '2026-10-10'), 'taken.arrow');
    linkSync(put(join(lake.dir('pools', '2026-9-30'), 'taken.arrow'), 1000), pool);
    const before = bytesBelow(lake.root);
    const dry = await prune(folder, '--keep', '2', '--dry-run');
    assert.is(dry.code, 0, dry.stderr);
    assert.equal(bytesBelow(lake.root), before);
    const { code, stderr, result } = await prune(folder, '--keep', '2');
    assert.is(code, 0, stderr);
    assert.equal(
      partitionsOf(lake),
      tableNames.map(() => ['2026-9-30', 'a']),
    );
    assert.equal({ ...dry.result, seconds: 0 }, { ...result, dryRun: true, seconds: 0 });
    const removed = result.removed as { partition: string; tables: string[]; bytes: number }[];
    assert.equal(
      removed.map(({ partition, tables }) => [partition, tables]),
      ['2026-10-09', '2026-10-10'].map((partition) => [partition, [...tableNames]]),
    );
    const gone = [...before].filter(
      ([file]) => /partition=2026-10/.test(file) && !file.endsWith('taken.arrow'),
    );
    assert.is(result.bytes, sizeOf(new Map(gone)));
    assert.equal(
      filesBelow(lake.root).filter((file) => /2026-10-(09|10)\//.test(file)),
      [],
    );
    assert.not.ok(existsSync(join(lake.root, '_unfinished')));
    assert.not.ok(existsSync(join(lake.root, '_earlier')));
    const manifest = await readManifest(lake.dir('pools', 'a'));
    assert.equal(originOf(manifest ?? {})?.tables, {
      'texts of 2026-9-30': 't2026-9-30',
      'cohorts of 2026-9-30': 'c',
      cohorts: 'ca',
    });
    assert.is(readFileSync(pool.replace('2026-10-10', '2026-9-30'), 'utf8').length, 1000);
  });
});

test('partitions before a name; the last one stays whatever is asked for', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b', 'c']);
    assert.equal((await prune(folder)).result.removed, []);
    await prune(folder, '--older-than', 'b');
    assert.equal(lake.partitions('texts'), ['b', 'c']);
    await prune(folder, '--older-than', 'z');
    assert.equal(lake.partitions('texts'), ['c']);
    await prune(folder, '--keep', '1');
    assert.equal(lake.partitions('texts'), ['c']);
  });
});

test('a partition that a run is at work on stays, and so does its shard', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b', 'c', 'd']);
    const locks = [
      RunLock.take(join(lake.unfinished('texts', 'a'), 'whole.lock'), 'a', log),
      RunLock.take(join(lake.unfinished('texts', 'b'), 'part-1-of-2.lock'), 'b', log),
    ];
    const { code, stderr, result } = await prune(folder, '--keep', '1');
    assert.is(code, 0, stderr);
    assert.equal(result.locked, ['a', 'b']);
    assert.match(stderr, /the partition a stays: .*another run is at work on it, process/);
    assert.equal(
      partitionsOf(lake),
      tableNames.map(() => ['a', 'b', 'd']),
    );
    for (const lock of locks) lock.release();
    await prune(folder, '--keep', '1');
    assert.equal(lake.partitions('cohorts'), ['d']);
  });
});

test('without the right to write, prune fails and says so; a dry run needs none and tells what would go', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b', 'c']);
    put(join(lake.unfinished('texts', 'c'), 'whole', 'journal'));
    const since = statSync(lake.file('texts', 'c')).mtimeMs / 1000 - 10;
    for (const name of ['', 'journal'])
      utimesSync(join(lake.unfinished('texts', 'c'), 'whole', name), since, since);
    const home = join(folder, 'home');
    mkdirSync(home);
    chmodSync(folder, 0o755);
    execFileSync('chmod', ['-R', 'a-w', lake.root]);
    const before = bytesBelow(lake.root);
    const args = ['prune', '--config', join(folder, 'dare.yaml'), '--quiet'];
    // root may write everywhere
    const nobody = { home, ...(process.getuid?.() === 0 ? { uid: 65534 } : {}) };
    for (const asked of [['--keep', '1'], []]) {
      const refused = await limited([...args, ...asked], nobody);
      assert.is(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /: permission is denied\nhint: Give this user the right to write there/);
      const dry = await limited([...args, ...asked, '--dry-run'], nobody);
      assert.is(dry.code, 0, dry.stderr);
      const result = resultOf(dry) as {
        removed: { partition: string }[];
        garbage: object[];
        locked: string[];
      };
      assert.equal(
        result.removed.map(({ partition }) => partition),
        asked.length === 0 ? [] : ['a', 'b'],
      );
      assert.is(result.garbage.length, 1);
      assert.equal(result.locked, []);
    }
    assert.equal(bytesBelow(lake.root), before);
    execFileSync('chmod', ['-R', 'u+w', lake.root]);
  });
});

test('a dry run knows what a run is at work on', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b', 'c', 'd']);
    const locks = [
      RunLock.take(join(lake.unfinished('features', 'a'), 'whole.lock'), 'a', log),
      RunLock.take(join(lake.unfinished('texts', 'b'), 'part-1-of-2.lock'), 'b', log),
    ];
    const { result } = await prune(folder, '--keep', '1', '--dry-run');
    assert.equal(result.locked, ['a', 'b']);
    assert.equal(
      (result.removed as { partition: string }[]).map(({ partition }) => partition),
      ['c'],
    );
    for (const lock of locks) lock.release();
  });
});

test('what killed runs left goes: temporary files, old scratch, texts kept for what was published since; nothing else', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b', 'c']);
    const ended = spawnSync('true').pid;
    const texts = lake.file('texts', 'b');
    const since = (path: string, seconds: number) => {
      const time = statSync(texts).mtimeMs / 1000 + seconds;
      for (const one of [path, dirname(path)]) utimesSync(one, time, time);
    };
    const garbage = [
      put(`${texts}.tmp-${host()}-${ended}-0`, 7),
      put(`${join(lake.earlier('features', 'a'))}.tmp-${host()}-${ended}-1/features.earlier`, 5),
      put(join(lake.work('prompts', 'gone'), 'spill.tmp'), 3),
      put(join(lake.unfinished('texts', 'b'), 'whole', 'journal'), 2),
      put(join(lake.unfinished('texts', 'b'), 'part-1-of-2.parquet'), 1),
    ];
    since(garbage[2] as string, -2 * 24 * 3600);
    since(garbage[3] as string, -1);
    since(garbage[4] as string, -1);
    const stay = [
      put(`${texts}.tmp-${host()}-${process.pid}-0`),
      put(join(lake.work('prompts', 'now'), 'spill.tmp')),
      put(join(lake.unfinished('texts', 'c'), 'whole', 'journal')),
      put(join(lake.unfinished('texts', 'new'), 'whole', 'journal')),
    ];
    const time = statSync(lake.file('texts', 'c')).mtimeMs / 1000 + 10;
    utimesSync(stay[2] as string, time, time);
    const tables = filesBelow(lake.root).filter((file) => /^(?!_)[^.]*\.(parquet|json|arrow)$/.test(file));
    const { code, stderr, result } = await prune(folder);
    assert.is(code, 0, stderr);
    assert.is(result.bytes, 7 + 5 + 3 + 2 + 1, JSON.stringify(result.garbage));
    for (const path of garbage) assert.not.ok(existsSync(path), path);
    for (const path of stay) assert.ok(existsSync(path), path);
    for (const file of tables) assert.ok(existsSync(join(lake.root, file)), file);
  });
});

test('wrong usage: exit code 2 before anything is looked at', async () => {
  await inFolder(async (folder) => {
    const lake = await lakeOf(folder, ['a', 'b']);
    for (const [args, says] of [
      [['--keep', '0'], /--keep is 0: expected the number of partitions that stay/],
      [['--keep', '1', '--older-than', 'b'], /--keep and --older-than exclude each other/],
      [['--older-than', '../b'], /partition/],
      [['--partition', 'a'], /dare prune has no option --partition/],
    ] as const) {
      const { code, stderr } = await prune(folder, ...args);
      assert.is(code, 2, stderr);
      assert.match(stderr, says);
    }
    assert.equal(lake.partitions('texts'), ['a', 'b']);
  });
});

test.run();
