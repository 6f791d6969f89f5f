/** `dare pools`: on its own, and from the texts of the lake's earlier partitions. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pools, promptsFor } from '../../pipeline/pools.js';
import { openPool, type PoolMetadata, readPoolFile } from '../../src/pool/file.js';
import { TextModel } from '../../src/text/tokenizer.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { errorOf } from '../lake/temporary.js';
import { contextIn, filesBelow, inFolder, sampleInputs, writeTable } from '../prompts/fixture.js';
import { sampleModel, smallCatalogue, textColumns, textRows } from './fixture.js';

const withError = { ...textColumns, error: 'VARCHAR' };
type Row = Record<string, unknown>;

async function build(folder: string, rows: readonly Row[], columns: Record<string, string>, name = 'pools') {
  const texts = join(folder, `${name}.parquet`);
  await writeTable(texts, columns, rows);
  const out = join(folder, name);
  const files = ['--texts', texts, '--tokenizer', sampleModel, '--out', out];
  return { finished: await dare(['pools', ...files, '--quiet']), out };
}

/** What the pools of a folder say of themselves, by file name. */
function poolsOf(out: string): PoolMetadata[] {
  const files = filesBelow(out).filter((file) => file.endsWith('.arrow'));
  return files.map((file) => openPool(readPoolFile(join(out, file)), file).metadata);
}

const kinds = (metadata: readonly PoolMetadata[]) =>
  metadata.map(({ entityType, cohort, documents }) => `${entityType} ${cohort}: ${documents}`).sort();

function succeeded(finished: Finished): Record<string, unknown> {
  assert.is(finished.code, 0, finished.stderr);
  return resultOf(finished);
}

test('one pool per entity type and cohort and one shared, with what they were made of', async () => {
  await inFolder(async (folder) => {
    const { finished, out } = await build(folder, textRows, textColumns);
    const result = succeeded(finished);
    assert.equal([result.rows, result.pools], [8, 5]);
    const metadata = poolsOf(out);
    assert.equal(kinds(metadata), ['item 0: 2', 'item 1: 2', 'null null: 8', 'user 0: 2', 'user 1: 2']);
    const { fingerprint } = TextModel.load(sampleModel);
    for (const pool of metadata) assert.equal([pool.tokenizer, pool.maxLength], [fingerprint, 6]);
    const manifest = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as Row;
    assert.equal([manifest.version, manifest.texts], [result.version, 8]);
    assert.is((manifest.pools as unknown[]).length, 5);
  });
});

test('rows with an error or without a text are left out; texts without columns go to the shared pool', async () => {
  await inFolder(async (folder) => {
    const left = [
      { prompt_id: 'x', entity_type: 'item', cohort: '9', text: 'half', error: 'too long' },
      { prompt_id: 'y', entity_type: 'item', cohort: '9', text: null },
      { prompt_id: 'z', entity_type: 'item', cohort: '9', text: '' },
    ];
    const { finished, out } = await build(folder, [...textRows, ...left], withError);
    assert.is(succeeded(finished).rows, 8);
    assert.not.ok(poolsOf(out).some(({ cohort }) => cohort === '9'));
    const alone = await build(folder, textRows, { text: 'VARCHAR' }, 'alone');
    succeeded(alone.finished);
    assert.equal(kinds(poolsOf(alone.out)), ['null null: 8']);
  });
});

test('the same texts in any order make the same bytes', async () => {
  await inFolder(async (folder) => {
    const one = await build(folder, textRows, textColumns, 'one');
    const other = await build(folder, [...textRows].reverse(), textColumns, 'other');
    assert.is(succeeded(one.finished).version, succeeded(other.finished).version);
    const files = filesBelow(one.out).filter((file) => file.endsWith('.arrow'));
    assert.equal(
      filesBelow(other.out).filter((file) => file.endsWith('.arrow')),
      files,
    );
    for (const file of files)
      assert.ok(readFileSync(join(one.out, file)).equals(readFileSync(join(other.out, file))), file);
  });
});

const refused: readonly [
  name: string,
  rows: readonly Row[],
  columns: Record<string, string>,
  says: RegExp,
][] = [
  [
    'no column text',
    [{ prompt_id: 'a' }],
    { prompt_id: 'VARCHAR' },
    /has no column text \(found: prompt_id\)/,
  ],
  ['text of another type', [{ text: 1 }], { text: 'INTEGER' }, /column text is INTEGER, expected VARCHAR/],
  ['no rows', [], textColumns, /holds no texts/],
  ['only errors', [{ text: 'a', error: 'b' }], { text: 'VARCHAR', error: 'VARCHAR' }, /holds no texts/],
];

test('texts that make no pools: exit code 2, earlier pools stay', async () => {
  await inFolder(async (folder) => {
    const { out } = await build(folder, textRows, textColumns);
    const before = filesBelow(out);
    for (const [name, rows, columns, says] of refused) {
      const { finished } = await build(folder, rows, columns);
      assert.is(finished.code, 2, `${name}: ${finished.stderr}`);
      assert.match(finished.stderr, says);
      assert.equal(filesBelow(out), before, name);
    }
  });
});

test('in the lake: the texts of earlier partitions only, and none at first', async () => {
  await inFolder(async (folder) => {
    const context = contextIn(folder, { inputs: sampleInputs });
    const first = await pools(context);
    assert.equal([first.rows, first.pools, first.version], [0, 0, null]);
    const write = async (partition: string, rows: readonly Row[]) => {
      mkdirSync(context.lake.dir('texts', partition), { recursive: true });
      await writeTable(context.lake.file('texts', partition), withError, rows);
    };
    await write('o', textRows);
    const earlier = await pools(context);
    assert.equal([earlier.rows, earlier.pools, earlier.partition], [8, 5, 'p']);
    // its own texts and later ones change nothing
    await write('p', [{ prompt_id: 'own', entity_type: 'item', cohort: '5', text: 'own' }]);
    await write('q', [{ prompt_id: 'later', entity_type: 'item', cohort: '6', text: 'later' }]);
    assert.is((await pools(context)).version, earlier.version);
    await write('a', [{ prompt_id: 'before', entity_type: 'item', cohort: '7', text: 'before' }]);
    const more = await pools(context);
    assert.equal([more.rows, more.pools], [9, 6]);
    assert.equal(poolsOf(context.lake.dir('pools', 'p')).length, 6, 'pools of before are removed');
  });
});

test('dare pools verify ends with 0, 1 or 2', async () => {
  await inFolder(async (folder) => {
    const { finished, out } = await build(folder, textRows, textColumns);
    const { version } = succeeded(finished);
    const verify = () => dare(['pools', 'verify', '--pools', out]);
    const whole = succeeded(await verify());
    assert.equal([whole.stage, whole.pools, whole.version, whole.warnings], ['pools verify', 5, version, []]);
    const [first = '', second = ''] = filesBelow(out).filter((file) => file.endsWith('.arrow'));
    rmSync(join(out, first));
    writeFileSync(join(out, second), 'short');
    const broken = await verify();
    assert.is(broken.code, 1);
    for (const says of [`${first}: is missing`, `${second}: has 5 bytes`]) {
      assert.ok(broken.stderr.includes(says), broken.stderr);
      assert.ok(String(resultOf(broken).error).includes(says));
    }
    assert.is((await dare(['pools', 'verify', '--pools', folder])).code, 2);
  });
});

test('in the lake: pools of the partition before are taken over, and can be checked', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const texts = (partition: string) => join(folder, `lake/texts/partition=${partition}/texts.parquet`);
    await writeTable(texts('1'), withError, textRows);
    await writeTable(texts('2'), withError, [{ ...textRows[0], text: 'changed' }]);
    const args = ['--config', config, '--quiet', '--partition'];
    const counts = ({ built, takenOver, superseded }: Row) => [built, takenOver, superseded];
    assert.equal(counts(succeeded(await dare(['pools', ...args, '2']))), [5, 0, 0]);
    assert.equal(counts(succeeded(await dare(['pools', ...args, '3']))), [2, 3, 1]);
    assert.is(succeeded(await dare(['pools', 'verify', ...args, '3'])).pools, 5);
    const exclude = ['--set', 'pools.exclude=["number [0-9] .*love"]'];
    const patterned = succeeded(await dare(['pools', ...args, '3', ...exclude]));
    assert.equal([patterned.excluded, patterned.rows, patterned.pools], [7, 1, 2]);
  });
});

test('prompts that are replaced before they are looked up are an error; without a manifest their content counts', async () => {
  await inFolder(async (folder) => {
    const context = contextIn(folder, { inputs: sampleInputs });
    const promptColumns = { prompt_id: 'VARCHAR', prompt: 'VARCHAR' };
    await writeTable(context.lake.file('texts', 'o'), withError, textRows);
    const file = context.lake.file('prompts', 'o');
    await writeTable(file, promptColumns, [{ prompt_id: 'a', prompt: 'A film.' }]);
    const tokenizer = TextModel.load(sampleModel);
    const promptsOf = async () => {
      const { prompts } = await promptsFor(context, tokenizer, false);
      if (prompts === undefined) throw new Error('the prompts of o were not found');
      return prompts;
    };
    const first = await promptsOf();
    assert.ok((await first.lookup(['a'])).get('a'));
    assert.is((await promptsOf()).fingerprint, first.fingerprint);
    await writeTable(file, promptColumns, [{ prompt_id: 'a', prompt: 'A quite different film.' }]);
    const error = await errorOf(() => first.lookup(['a']));
    assert.is(error.message, `${file} was changed or replaced while it was read; nothing was written`);
    assert.is.not((await promptsOf()).fingerprint, first.fingerprint);
  });
});

test('a pattern that is not valid is refused before any stage, with exit code 2', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    for (const stage of ['pools', 'run']) {
      const refusal = await dare([stage, '--config', config, '--set', "pools.exclude=['fine', '(?=x)']"]);
      assert.is(refusal.code, 2, refusal.stderr);
      assert.match(refusal.stderr, /pools\.exclude\[1\]: is "\(\?=x\)"; expected a regular expression/);
    }
    assert.not.ok(existsSync(join(folder, 'lake')));
  });
});

test.run();
