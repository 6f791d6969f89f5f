import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError, inputError } from '../../src/errors.js';
import { fileError, Lake, publishFile, removeStale, temporaryBeside } from '../../src/lake/lake.js';
import { errorOf, inFolder, moduleUrl, runScript } from './temporary.js';

test('paths of a partition', () => {
  const lake = new Lake('/data/lake/');
  assert.is(lake.root, '/data/lake');
  assert.is(lake.dir('texts', '2026-11-23'), '/data/lake/texts/partition=2026-11-23');
  assert.is(lake.file('texts', 'a b'), '/data/lake/texts/partition=a b/texts.parquet');
  assert.is(lake.work('texts', 'x'), '/data/lake/_work/texts/partition=x');
});

for (const partition of ['', '.', '..', '../x', 'a/b', 'a\\b', 'a\0b']) {
  test(`the partition ${JSON.stringify(partition)} is refused`, async () => {
    const lake = new Lake('/data/lake');
    for (const path of [() => lake.dir('texts', partition), () => lake.work('texts', partition)]) {
      const error = await errorOf(path);
      assert.is(error.exitCode, 2);
      assert.ok(error.message.includes(JSON.stringify(partition)), error.message);
    }
  });
}

test('partitions are those with a table or a manifest, sorted', () =>
  inFolder((root) => {
    const lake = new Lake(root);
    assert.equal(lake.partitions('texts'), []);
    for (const [partition, file] of [
      ['b', 'texts.parquet'],
      ['a', '_manifest.json'],
      ['10', 'texts.parquet'],
      ['started', 'texts.parquet.tmp-host-1-0'],
    ] as const) {
      writeFileSync(join(lake.prepare('texts', partition), file), '');
    }
    mkdirSync(join(root, 'texts', 'other'));
    assert.equal(lake.partitions('texts'), ['10', 'a', 'b']);
    assert.equal(lake.partitions('prompts'), []);
  }));

test('scratch is made, emptied and removed', () =>
  inFolder((root) => {
    const lake = new Lake(root);
    const work = lake.prepareWork('texts', 'p');
    writeFileSync(join(work, 'part'), '');
    assert.equal(readdirSync(lake.prepareWork('texts', 'p')), ['part']);
    assert.equal(readdirSync(lake.prepareWork('texts', 'p', { clear: true })), []);
    const other = lake.prepareWork('texts', 'q');
    lake.clearWork('texts', 'p');
    lake.clearWork('texts', 'p');
    assert.not.ok(existsSync(work));
    assert.ok(existsSync(other), 'that of another run stays');
    lake.clearWork('texts', 'q');
    assert.equal(readdirSync(root), [], 'no empty folder is left');
  }));

test('scratch of runs side by side: neither loses its folder when the other removes the empty ones', () =>
  inFolder(async (root) => {
    const run = (partition: string) => {
      const folder = join(root, partition);
      mkdirSync(folder);
      const source = `
        import { existsSync } from 'node:fs';
        import { Lake } from ${JSON.stringify(moduleUrl('src/lake/lake.js'))};
        const lake = new Lake(${JSON.stringify(join(root, 'lake'))});
        let kept = 0;
        for (let i = 0; i < 300; i++) {
          if (existsSync(lake.prepareWork('texts', '${partition}'))) kept++;
          lake.clearWork('texts', '${partition}');
        }
        console.log(kept);`;
      return runScript(folder, source);
    };
    assert.equal(await Promise.all([run('p'), run('q')]), ['300\n', '300\n']);
    assert.equal(readdirSync(join(root, 'lake')), []);
  }));

test('publishing replaces the old file and leaves no temporary one', () =>
  inFolder(async (root) => {
    const final = join(root, 'table.parquet');
    writeFileSync(final, 'old');
    const temporary = temporaryBeside(final);
    assert.not.match(temporary, /\.parquet$/);
    writeFileSync(temporary, 'new');
    assert.is(readFileSync(final, 'utf8'), 'old');
    await publishFile(temporary, final);
    assert.is(readFileSync(final, 'utf8'), 'new');
    assert.equal(readdirSync(root), ['table.parquet']);
  }));

test('a publication that fails leaves the old file and removes the temporary one', () =>
  inFolder(async (root) => {
    const final = join(root, 'taken');
    mkdirSync(join(final, 'full'), { recursive: true });
    const temporary = temporaryBeside(final);
    writeFileSync(temporary, 'new');
    const error = await errorOf(() => publishFile(temporary, final));
    assert.is(error.exitCode, 1);
    assert.ok(error.message.includes(final), error.message);
    assert.equal(readdirSync(root), ['taken']);
  }));

test('only temporary files whose maker is gone are removed', () =>
  inFolder((root) => {
    const mine = temporaryBeside(join(root, 'a.parquet'));
    const host = /tmp-(.+)-\d+-\d+$/.exec(mine)?.[1];
    // 2^22 is Linux's largest process id, so that no process has this one.
    const dead = join(root, `b.parquet.tmp-${host}-4194305-0`);
    const foreign = join(root, 'c.parquet.tmp-elsewhere-1-0');
    const old = join(root, 'd.parquet.tmp-elsewhere-1-1');
    const forgotten = join(root, `e.parquet.tmp-${host}-${process.pid}-999999`);
    const parent = join(root, `f.parquet.tmp-${host}-${process.ppid}-0`);
    const others = [join(root, 'g.parquet'), join(root, 'h.tmp-x'), join(root, '_manifest.json')];
    for (const file of [mine, dead, foreign, old, forgotten, parent, ...others]) writeFileSync(file, '');
    mkdirSync(join(root, `b.parquet.tmp-${host}-4194305-0.spill`));
    utimesSync(old, new Date(0), new Date(0));
    assert.equal(removeStale(root).sort(), [dead, `${dead}.spill`, old, forgotten].sort());
    for (const file of [mine, foreign, parent, ...others]) assert.ok(existsSync(file), file);
  }));

for (const [error, words] of [
  [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'no space is left on the disk'],
  [Object.assign(new Error('x'), { code: 'EDQUOT' }), 'the disk quota is used up'],
  [Object.assign(new Error('x'), { code: 'EFBIG' }), 'the file would be larger than the system allows'],
  [Object.assign(new Error('x'), { code: 'EACCES' }), 'permission is denied'],
  [Object.assign(new Error('x'), { code: 'EROFS' }), 'the file system is read-only'],
  [new Error('IO Error: Could not write file "f": No space left on device'), 'no space is left on the disk'],
  [new Error('IO Error: Cannot open file "f": Permission denied'), 'permission is denied'],
] as const) {
  test(`a failed file operation: ${words} (${error.message})`, () => {
    const found = fileError(error, 'the table could not be written', '/data/t');
    assert.is(found.message, `the table could not be written: /data/t: ${words}`);
    assert.is(found.exitCode, 1);
    assert.ok(found.hint);
  });
}

test('an error of ours passes unchanged, an unknown one keeps its text', () => {
  const ours = inputError('no');
  assert.is(fileError(ours, 'what', 'where'), ours);
  const other = fileError(new Error('odd'), 'what', '/where');
  assert.ok(other instanceof DareError);
  assert.is(other.message, 'what: /where: odd');
});

test('a lake without permission, or under a file, is a clear error', () =>
  inFolder(async (root) => {
    mkdirSync(join(root, 'closed'), { mode: 0o555 });
    writeFileSync(join(root, 'file'), '');
    const source = `
      import { Lake } from ${JSON.stringify(moduleUrl('src/lake/lake.js'))};
      for (const name of ['closed', 'file']) {
        try { new Lake(${JSON.stringify(root)} + '/' + name).prepare('texts', 'p'); console.log('made'); }
        catch (error) { console.log(error.exitCode + ' ' + error.message + ' ' + typeof error.hint); }
      }`;
    const dir = (name: string) => join(root, name, 'texts', 'partition=p');
    assert.equal((await runScript(root, source, { unprivileged: true })).trim().split('\n'), [
      `1 the folder could not be made: ${dir('closed')}: permission is denied string`,
      `1 the folder could not be made: ${dir('file')}: a part of the path is a file, not a folder string`,
    ]);
    assert.equal(readdirSync(join(root, 'closed')), []);
  }));

test('a lake needs a folder', async () => {
  for (const root of ['', ' ', 'a\0b']) assert.is((await errorOf(() => new Lake(root))).exitCode, 2);
});

test.run();
