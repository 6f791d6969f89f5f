/**
 * Every stage on a full disk, on a read-only one and without permission: exit code 1, one sentence, and the lake holds
 * what it held before, byte for byte.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { lacking } from '../lacking.js';
import { copyCache } from '../model-cache.js';
import { assertUntouched, bytesBelow, filesBelow } from '../prompts/fixture.js';
import { Disk } from './disk.js';
import { limited, sampleModel, smallCatalogue } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-disk-'));
chmodSync(folder, 0o755);
const disk = Disk.mount(join(folder, 'disk'));
const lake = join(disk.folder, 'lake');
const { config } = smallCatalogue(folder);
const texts = join(folder, 'earlier.parquet');
const settings = ['--config', config, '--quiet'];
const onLake = [...settings, '--lake', lake];

test.before(async () => {
  await succeed(['run', ...onLake]);
  cpSync(join(lake, 'texts/partition=a/texts.parquet'), texts);
  await succeed(['pools', ...onLake, '--set', `pools.texts=${texts}`]);
});

test.after(() => {
  disk.unmount();
  rmSync(folder, { recursive: true, force: true });
});

async function succeed(args: readonly string[]): Promise<void> {
  const { code, stderr } = await dare(args);
  assert.is(code, 0, stderr);
}

/** Exit code 1, one sentence that names a place below `where` and a hint, and the same sentence in the JSON line. */
function assertFailed(finished: Finished, says: RegExp, where: string): void {
  assert.is(finished.code, 1, finished.stderr);
  assert.match(finished.stderr, /^error: dare \w+: [^\n]*\nhint: [^\n]*\n$/);
  assert.match(finished.stderr, says);
  assert.ok(finished.stderr.includes(where), `${where} is not in ${finished.stderr}`);
  const { error, exitCode } = resultOf(finished);
  assert.is(exitCode, 1);
  assert.ok(finished.stderr.includes(`: ${error}\n`), String(error));
}

const full = disk.mounted ? /no space is left on the disk/ : /larger than the system allows/;

interface Stage {
  name: string;
  /** What makes its output another one than the earlier. */
  change: readonly string[];
  /** Pages left on the disk: the first write fails, or one in the middle. */
  rooms: readonly number[];
}

const stages: readonly Stage[] = [
  { name: 'segment', change: ['--set', 'cohorts.users.groups=3'], rooms: [0] },
  { name: 'prompts', change: ['--set', 'prompts.frameworks=[kar,once]'], rooms: [0, 1] },
  {
    name: 'pools',
    change: ['--set', `pools.texts=${texts}`, '--set', 'pools.maxLength=4'],
    // a limit of 0 on every file would stop the sorting in the temporary folder, before there are pools
    rooms: disk.mounted ? [0, 1, 5] : [1],
  },
  { name: 'decode', change: ['--set', 'decode.maxNewTokens=4'], rooms: [0, 1, 6] },
  { name: 'publish', change: ['--set', 'prompts.frameworks=[kar,once]'], rooms: [0, 4] },
];

for (const { name, change, rooms } of stages) {
  for (const room of rooms) {
    test(`${name} on a disk with room for ${room} pages: exit code 1, the lake is as it was`, async () => {
      const before = bytesBelow(lake);
      assertFailed(await disk.whenFull(room, [name, ...onLake, ...change]), full, lake);
      assertUntouched(lake, before);
    });
  }
}

test('a disk with room for the table but not for its manifest: neither is published', async () => {
  if (!disk.mounted)
    return lacking('mount', 'a full disk that takes one file and not the next needs the right to mount');
  const before = bytesBelow(lake);
  const fresh = ['segment', ...onLake, '--partition', 'b'];
  const finished = await disk.whenFull(1, fresh);
  assertFailed(finished, /the manifest could not be written: .*no space is left/, lake);
  assertUntouched(lake, before);
});

test("a full disk under the model's cache: exit code 1, no half model", async () => {
  const cacheHere = join(disk.folder, 'cache');
  const elsewhere = join(folder, 'lake');
  cpSync(lake, elsewhere, { recursive: true });
  // a limit of 0 on every file would stop the run at its lock
  for (const room of disk.mounted ? [0, 100] : [100]) {
    const args = ['decode', ...settings, '--lake', elsewhere, '--set', `model.cache=${cacheHere}`];
    assertFailed(await disk.whenFull(room, args), full, cacheHere);
    assert.equal(filesBelow(cacheHere), []);
  }
});

test('a full disk under the temporary folder: the sentence names it', async () => {
  const TMPDIR = join(disk.folder, 'tmp');
  // on a lake the stage has a folder there for it
  const out = join(folder, 'pools');
  const alone = ['pools', '--texts', texts, '--tokenizer', sampleModel, '--out', out, '--quiet'];
  mkdirSync(TMPDIR);
  const before = bytesBelow(lake);
  const finished = await disk.whenFull(0, alone, { TMPDIR });
  assertFailed(finished, full, TMPDIR);
  assert.match(finished.stderr, /hint: .*TMPDIR/);
  assert.equal(filesBelow(TMPDIR), []);
  assertUntouched(lake, before);
});

for (const { name, change } of stages) {
  test(`${name} on a read-only disk: exit code 1, the lake is as it was`, async () => {
    if (!disk.mounted) return lacking('mount', 'a read-only disk needs the right to mount');
    const before = bytesBelow(lake);
    const finished = await disk.whenReadOnly([name, ...onLake, ...change]);
    assertFailed(finished, /the file system is read-only/, lake);
    assertUntouched(lake, before);
  });
}

/** Each stage, with the work folder closed to it too or the table's folder alone. */
const closed = stages.flatMap(({ name, change }) => [
  { name, change, where: 'lake' },
  { name, change, where: "table's folder" },
]);
const nobody = process.getuid?.() === 0 ? { uid: 65534 } : {};

for (const { name, change, where } of closed) {
  test(`${name} by a user who may not write the ${where}: exit code 1, the lake is as it was`, async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    copyCache(join(own, 'cache'));
    execFileSync('chmod', ['-R', 'a+rwX', own]);
    for (const beside of ['_work', '_unfinished']) {
      mkdirSync(join(lake, beside), { recursive: true });
      execFileSync('chmod', ['-R', where === 'lake' ? 'a-w' : 'a+w', join(lake, beside)]);
    }
    const table = { segment: 'cohorts', decode: 'texts', publish: 'features' }[name] ?? name;
    for (const path of [lake, join(lake, table), join(lake, table, 'partition=a')]) chmodSync(path, 0o555);
    const before = bytesBelow(lake);
    try {
      const args = [name, ...onLake, ...change, '--set', `model.cache=${join(own, 'cache')}`];
      const finished = await limited(args, { home: own, ...nobody });
      assertFailed(finished, /permission is denied/, lake);
      assertUntouched(lake, before);
    } finally {
      execFileSync('chmod', ['-R', 'u+w', lake]);
    }
  });
}

test.run();
