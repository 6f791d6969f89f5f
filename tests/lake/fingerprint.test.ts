import { createHash } from 'node:crypto';
import { renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  FileWatch,
  fingerprintFile,
  isUnchanged,
  recordFile,
  recordOwnFile,
  rememberFiles,
} from '../../src/lake/fingerprint.js';
import { errorOf, inFolder } from './temporary.js';

const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');

test('the fingerprint of a file is the sha256 of its content', () =>
  inFolder(async (root) => {
    const file = join(root, 'f');
    for (const content of ['', 'abc', 'x'.repeat(3_000_000)]) {
      writeFileSync(file, content);
      assert.is(await fingerprintFile(file), sha256(content));
    }
  }));

test('a fingerprint needs a file', () =>
  inFolder(async (root) => {
    for (const path of [join(root, 'missing'), root]) {
      for (const work of [fingerprintFile, recordFile]) {
        const error = await errorOf(() => work(path));
        assert.is(error.exitCode, 2);
        assert.ok(error.message.includes(path), error.message);
      }
    }
  }));

/** Writes a file that was last changed an hour ago. */
function writeOld(file: string, content: string): void {
  writeFileSync(file, content);
  const hourAgo = new Date(Math.floor(Date.now() / 1000 - 3600) * 1000);
  utimesSync(file, hourAgo, hourAgo);
}

test('a file that has just been written gets no stamp: its content decides next time', () =>
  inFolder(async (root) => {
    const file = join(root, 'f');
    writeFileSync(file, 'abc');
    const record = await recordFile(file);
    assert.equal(record, { path: file, sha256: sha256('abc'), stamp: null });
    writeFileSync(file, 'abd');
    assert.is((await recordFile(file)).sha256, sha256('abd'));
    assert.not.ok(await isUnchanged(record, file));
  }));

test('a file whose size, time and inode are as they were is not read again', () =>
  inFolder(async (root) => {
    const file = join(root, 'f');
    writeOld(file, 'abc');
    const { stamp } = await recordFile(file);
    assert.type(stamp, 'string');
    // what a manifest says is believed: the hash of nothing that the file ever held
    rememberFiles([{ path: file, sha256: 'remembered', stamp }]);
    assert.equal(await recordFile(file), { path: file, sha256: 'remembered', stamp });
    utimesSync(file, new Date(0), new Date(0));
    assert.is((await recordFile(file)).sha256, sha256('abc'), 'touched: read again');
  }));

test('a copy elsewhere, or a touched file, is unchanged; another content of the same size is not', () =>
  inFolder(async (root) => {
    const [file, copy] = [join(root, 'f'), join(root, 'g')];
    writeOld(file, 'abc');
    const record = await recordOwnFile(file, 'f');
    assert.is(record.path, 'f');
    assert.ok(await isUnchanged(record, file));
    writeFileSync(copy, 'abc');
    assert.ok(await isUnchanged(record, copy));
    writeFileSync(copy, 'abd');
    assert.not.ok(await isUnchanged(record, copy));
  }));

test('a record of an own file still holds after the file was renamed', () =>
  inFolder(async (root) => {
    writeFileSync(join(root, 'f.tmp'), 'abc');
    const record = await recordOwnFile(join(root, 'f.tmp'), 'f');
    renameSync(join(root, 'f.tmp'), join(root, 'f'));
    const { ino } = statSync(join(root, 'f'));
    assert.ok(record.stamp?.endsWith(`-${ino}`), 'the stamp is that of the renamed file');
    assert.ok(await isUnchanged(record, join(root, 'f')));
  }));

const faults: Record<string, (file: string) => void> = {
  'written to': (file) => writeFileSync(file, 'abcd'),
  truncated: (file) => truncateSync(file, 1),
  'replaced by a file of the same size and time': (file) => {
    const { atime, mtime } = statSync(file);
    writeFileSync(`${file}.new`, 'xyz');
    utimesSync(`${file}.new`, atime, mtime);
    renameSync(`${file}.new`, file);
  },
  removed: (file) => rmSync(file),
};
for (const [what, spoil] of Object.entries(faults)) {
  test(`a file that is ${what} while it is read is noticed`, () =>
    inFolder(async (root) => {
      const [file, other] = [join(root, 'f'), join(root, 'g')];
      for (const path of [file, other]) writeOld(path, 'abc');
      const watch = new FileWatch([other, file]);
      watch.check();
      spoil(file);
      const error = await errorOf(() => watch.check());
      assert.is(error.exitCode, 1);
      assert.match(error.message, `${file} was changed or replaced while it was read`);
      assert.match(error.hint ?? '', /^Run again/);
    }));
}

test.run();
