/** `verifyPools` on whole folders and on every way that files break. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PoolBuilder } from '../../src/pool/builder.js';
import { type PoolEntry, writePools } from '../../src/pool/folder.js';
import { verifyPools } from '../../src/pool/verify.js';
import { errorOf, inFolder } from '../lake/temporary.js';

const settings = { tokenizer: 'numbers', maxLength: 3, generationPrompt: Int32Array.of(1, 2), endToken: 0 };

/** A folder with pools of the cohorts a and b. */
async function build(folder: string): Promise<{ dir: string; entries: PoolEntry[] }> {
  const builder = new PoolBuilder(settings);
  for (const cohort of ['a', 'b']) {
    for (let i = 0; i < 20; i++) {
      const ids = Array.from({ length: 30 }, (_, k) => 3 + ((i * k + k) % 11) + (cohort === 'b' ? 5 : 0));
      builder.add('item', cohort, ids, true);
    }
  }
  const dir = join(folder, 'pools');
  const { entries } = await writePools(dir, builder.build(), { stage: 'pools' });
  return { dir, entries };
}

const faultsOf = async (dir: string) => (await verifyPools(dir, () => undefined)).faults;
const pathOf = (dir: string, entries: readonly PoolEntry[], cohort: string | null) =>
  join(dir, (entries.find((entry) => entry.cohort === cohort) as PoolEntry).file);

/** Changes the manifest. */
function edit(dir: string, change: (manifest: { version: string; pools: PoolEntry[] }) => void): void {
  const file = join(dir, '_manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { version: string; pools: PoolEntry[] };
  change(manifest);
  writeFileSync(file, JSON.stringify(manifest));
}

test('whole pools have no faults; each is counted', () =>
  inFolder(async (folder) => {
    const { dir } = await build(folder);
    let advanced = 0;
    const { pools, faults, unlisted, version } = await verifyPools(dir, () => advanced++);
    assert.equal([pools, advanced, faults, unlisted], [3, 3, [], []]);
    assert.type(version, 'string');
  }));

test('a bit that is flipped, and an end that is missing, is found wherever it is', () =>
  inFolder(async (folder) => {
    const { dir, entries } = await build(folder);
    const path = pathOf(dir, entries, 'a');
    const whole = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length * 8 - 1), async (bit) => {
        const broken = Buffer.from(whole);
        broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
        writeFileSync(path, broken);
        assert.equal(await faultsOf(dir), [
          { file: path, fault: "was changed: its sha256 isn't the manifest's" },
        ]);
      }),
      { numRuns: 50 },
    );
    for (const length of [0, 1, 500, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, length));
      const fault = `has ${length} bytes, not the ${whole.length} that were written`;
      assert.equal(await faultsOf(dir), [{ file: path, fault }]);
    }
    writeFileSync(path, whole);
    assert.equal(await faultsOf(dir), []);
  }));

test('files that are missing, folders, and several at once', () =>
  inFolder(async (folder) => {
    const { dir, entries } = await build(folder);
    const [a, b] = [pathOf(dir, entries, 'a'), pathOf(dir, entries, 'b')];
    rmSync(a);
    rmSync(b);
    mkdirSync(b);
    assert.equal(await faultsOf(dir), [
      { file: a, fault: 'is missing' },
      { file: b, fault: 'is no file' },
    ]);
  }));

test('a pool in the place of another, and a foreign file, though the manifest has their checksums', () =>
  inFolder(async (folder) => {
    const { dir, entries } = await build(folder);
    const [a, b] = [pathOf(dir, entries, 'a'), pathOf(dir, entries, 'b')];
    copyFileSync(a, b);
    edit(dir, ({ pools }) => {
      const [first, second] = ['a', 'b'].map((cohort) => pools.find((pool) => pool.cohort === cohort));
      Object.assign(second as PoolEntry, { sha256: first?.sha256, size: first?.size });
    });
    assert.equal(await faultsOf(dir), [
      { file: b, fault: 'is another pool than the manifest says: its cohort is "a"' },
    ]);
    const foreign = Buffer.from('PAR1 something else PAR1');
    writeFileSync(b, foreign);
    edit(dir, ({ pools }) => {
      const entry = pools.find((pool) => pool.cohort === 'b') as PoolEntry;
      const sha256 = createHash('sha256').update(foreign).digest('hex');
      Object.assign(entry, { sha256, size: foreign.length });
    });
    const [fault] = await faultsOf(dir);
    assert.is(fault?.file, b);
    assert.match(fault?.fault as string, /^is no whole pool file: it does not begin as an Arrow file/);
  }));

test('a manifest that does not fit its pools', () =>
  inFolder(async (folder) => {
    const cases = [
      ['another version', /version isn't that of its pools/, (pools: PoolEntry[]) => pools, 'other'],
      [
        'twice',
        /lists two pools of one cohort/,
        (pools: PoolEntry[]) => [...pools, pools[1] as PoolEntry],
        undefined,
      ],
      ['no shared one', /lists no shared pool/, (pools: PoolEntry[]) => pools.slice(1), undefined],
    ] as const;
    for (const [name, says, change, version] of cases) {
      const { dir } = await build(join(folder, name));
      edit(dir, (manifest) => {
        manifest.pools = change(manifest.pools);
        manifest.version = version ?? manifest.version;
      });
      const [fault, ...others] = await faultsOf(dir);
      assert.equal([fault?.file, others], [dir, []]);
      assert.match(fault?.fault as string, says);
    }
  }));

test('files that no manifest lists are named, and are no fault', () =>
  inFolder(async (folder) => {
    const { dir, entries } = await build(folder);
    copyFileSync(pathOf(dir, entries, 'a'), join(dir, 'left.arrow'));
    const { faults, unlisted } = await verifyPools(dir, () => undefined);
    assert.equal([faults, unlisted], [[], ['left.arrow']]);
  }));

test('a folder without pools, and a manifest that leads out of it, are refused', () =>
  inFolder(async (folder) => {
    const { dir } = await build(folder);
    const none = await errorOf(() => verifyPools(folder, () => undefined));
    assert.equal([none.exitCode, none.message], [2, `${folder} holds no pools: its manifest is missing`]);
    edit(dir, ({ pools }) => Object.assign(pools[0] as PoolEntry, { file: '../secret.arrow' }));
    const error = await errorOf(() => verifyPools(dir, () => undefined));
    assert.equal([error.exitCode, error.message], [2, `The manifest in ${dir} lists no pools`]);
    renameSync(join(dir, '_manifest.json'), join(dir, 'm.json'));
    assert.is((await errorOf(() => verifyPools(dir, () => undefined))).exitCode, 2);
  }));

test.run();
