/** The main job on a small catalogue, through the command line. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tableNames } from '../../src/lake/lake.js';
import { dare, type Finished, resultOf } from '../cli/spawn.js';
import { filesBelow, inFolder, query, readTable } from '../prompts/fixture.js';
import { copyModel, items, oneByOne, smallCatalogue, users } from './fixture.js';

const rows = items + users;

async function succeed(args: readonly string[]): Promise<Finished> {
  const finished = await dare(args);
  assert.is(finished.code, 0, finished.stderr);
  return finished;
}

const texts = (folder: string, partition: string, lake = 'lake') =>
  join(folder, `${lake}/texts/partition=${partition}/texts.parquet`);

test('the main job: every table, one feature row per user and item, rounds, then pools of the earlier texts', async () => {
  await inFolder(async (folder) => {
    const { config, prompts } = smallCatalogue(folder);
    // of so few texts drafts bring little: together with others it depends on the machine whether they pay
    const alone = ['--set', 'decode.concurrency=1'];
    const first = await succeed(['run', '--config', config, '--json', ...alone]);
    const result = resultOf(first);
    assert.equal([result.stage, result.partition, result.rows], ['run', 'a', rows]);
    const stages = result.stages as Record<string, { rows: number }>;
    assert.equal(Object.keys(stages), ['segment', 'prompts', 'pools', 'decode', 'publish']);
    assert.equal(
      Object.values(stages).map((stage) => stage.rows),
      [rows, prompts, 0, prompts, rows],
    );
    assert.ok((result.tokensPerStep as number) >= 1);
    checkLines(result.stages as Record<string, Record<string, unknown>>, prompts);
    assert.is(first.stdout.split('\n').length, 2, 'nothing but the JSON line is on stdout');
    await checkTables(folder);
    assert.ok(prompts < rows, 'some users like nothing');
    await checkJoin(folder, prompts - items);
    const decoded = await readTable(texts(folder, 'a'));
    assert.ok(new Set(decoded.map(({ round }) => round)).size > 1, 'no earlier texts: rounds');
    for (const row of decoded) assert.is(row.pool_version === null, row.round === 0, String(row.prompt_id));

    const anew = ['--partition', 'b', '--quiet', '--set', 'decode.reuse=off', ...alone];
    await succeed(['run', '--config', config, ...anew]);
    const later = await readTable(texts(folder, 'b'));
    assert.is(later.length, prompts);
    const versions = new Set(later.map(({ pool_version }) => pool_version));
    assert.is(versions.size, 1);
    assert.type([...versions][0], 'string');
    assert.equal([...new Set(later.map(({ round }) => round))], [0]);
    assert.equal(await readTable(texts(folder, 'a')), decoded, 'the earlier partition is untouched');
    const steps = (table: Record<string, unknown>[]) =>
      table.reduce((sum, row) => sum + (row.decode_steps as number), 0);
    assert.ok(steps(later) < steps(decoded), 'earlier texts save steps');
  });
});

/** The stages of a run say what each says when it is run alone. */
function checkLines(stages: Record<string, Record<string, unknown>>, prompts: number): void {
  const { decode = {}, publish = {}, pools = {} } = stages;
  const { takenOver, resumed, failed, mode, outputTokens } = decode;
  assert.equal([takenOver, resumed, failed, mode], [0, 0, 0, 'relaxed']);
  assert.ok((outputTokens as number) > prompts);
  assert.equal([publish.texts, publish.failed, publish.frameworks], [prompts, 0, ['kar']]);
  const shares = { empty: 0, repetitive: 0, unparsable: 0, failed: 0 };
  assert.equal({ ...(publish.quality as object), cut: undefined }, { ...shares, cut: undefined });
  assert.equal([pools.built, pools.takenOver], [0, 0]);
  for (const stage of Object.values(stages)) {
    for (const name of ['stage', 'partition', 'files', 'warnings']) assert.not.ok(name in stage, name);
  }
}

/** Every table is there for the partition, nothing half done beside it. */
async function checkTables(folder: string): Promise<void> {
  const files = filesBelow(join(folder, 'lake'));
  for (const table of tableNames) {
    const file = table === 'pools' ? '_manifest.json' : `${table}.parquet`;
    assert.ok(files.includes(`${table}/partition=a/${file}`), `${table} in ${files.join(' ')}`);
  }
  assertClean(files);
  assert.equal(
    readdirSync(join(folder, 'lake')).sort(),
    [...tableNames].sort(),
    'no folder of scratch is left',
  );
}

function assertClean(files: readonly string[]): void {
  assert.equal(
    files.filter((file) => /tmp|part\.parquet|_work|spill/.test(file)),
    [],
  );
}

/** A left join with the user's own tables finds each of their rows once, with text and vector where there was a prompt. */
async function checkJoin(folder: string, liking: number): Promise<void> {
  const params = { features: join(folder, 'lake/features/partition=a/features.parquet') };
  for (const [csv, id, count, texts] of [
    ['movies.csv', 'item_id', items, items],
    ['ratings.csv', 'user_id', users, liking],
  ] as const) {
    const own = id === 'item_id' ? 'movie_id' : 'user_id';
    const joined = await query(
      `SELECT count(*) AS n, count(cohort) AS found, count(kar) AS texts, count(kar_vector) AS vectors
       FROM (SELECT DISTINCT ${own} FROM read_csv($csv)) AS own
       LEFT JOIN read_parquet($features) AS features ON own.${own} = features.${id}`,
      { ...params, csv: join(folder, csv) },
    );
    assert.equal(Object.values(joined[0] ?? {}).map(Number), [count, count, texts, texts], csv);
  }
}

test('the same inputs give the same texts again: bytes one by one, all but the last bits of vectors together', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    for (const stage of ['segment', 'prompts'])
      await succeed([stage, '--config', config, '--lake', join(folder, 'one'), '--quiet']);
    const copyTo = (copy: string) => cpSync(join(folder, 'one'), join(folder, copy), { recursive: true });
    copyTo('again');
    const decodeInto = async (lake: string, concurrency: string) => {
      const own = ['--lake', join(folder, lake), '--concurrency', concurrency, '--set', 'decode.reuse=off'];
      await succeed(['decode', '--config', config, '--quiet', ...own]);
    };
    await decodeInto('one', '1');
    await decodeInto('again', '1');
    // with the cost table of the first run, which its manifest holds: relaxed texts depend on it
    copyTo('together');
    await decodeInto('together', '4');
    const bytes = (lake: string) => readFileSync(texts(folder, 'a', lake));
    assert.ok(bytes('one').equals(bytes('again')), 'two lakes');
    await decodeInto('again', '1');
    assert.ok(bytes('one').equals(bytes('again')), 'a second run over the first');
    const alone = await readTable(texts(folder, 'a', 'one'));
    const together = await readTable(texts(folder, 'a', 'together'));
    assert.is(alone.length, together.length);
    for (const [i, row] of alone.entries()) assertSameText(row, together[i] ?? {});
  });
});

/** Rows decoded in other batches: floating-point sums may differ in their last bits, nothing else may. */
function assertSameText(row: Record<string, unknown>, other: Record<string, unknown>): void {
  const { vector, divergence, ...rest } = row;
  const { vector: otherVector, divergence: otherDivergence, ...otherRest } = other;
  assert.equal(rest, otherRest);
  const numbers = (value: unknown) => (value as { items: number[] }).items ?? value;
  const differences = (numbers(vector) as number[]).map((x, d) =>
    Math.abs(x - ((numbers(otherVector) as number[])[d] ?? Number.NaN)),
  );
  assert.ok(Math.max(...differences) < 1e-4, `${row.prompt_id}: ${Math.max(...differences)}`);
  assert.ok(Math.abs((divergence as number) - (otherDivergence as number)) < 1e-4);
}

/** What is changed in the folder of a small catalogue, and what the run says of it. */
const FAULTS: [name: string, set: Record<string, string>, says: RegExp, change?: (folder: string) => void][] =
  [
    [
      'a template with an unknown column',
      { 'prompts.templates': 'templates' },
      /kar-item\.txt names the unknown column "publisher"/,
      (folder) => {
        mkdirSync(join(folder, 'templates'));
        writeFileSync(join(folder, 'templates/kar-item.txt'), 'Who is {publisher}?');
      },
    ],
    ['a model that is not there', { 'model.path': 'nowhere' }, /there is no model at .*nowhere\n/],
    ['a GGUF file that is not there', { 'model.path': 'no.gguf' }, /there is no model at .*no\.gguf\n/],
    [
      'a model without weights',
      { 'model.path': 'model' },
      /neither model\.safetensors nor/,
      (folder) => rmSync(join(copyModel(folder), 'model.safetensors')),
    ],
    [
      'a column that the ratings lack',
      { 'inputs.ratings.value': 'stars' },
      /ratings\.csv has no column "stars"/,
    ],
    ['no texts for pools', { 'pools.texts': 'old/*.parquet' }, /pools\.texts\.path: no file matches/],
  ];

for (const [name, set, says, change] of FAULTS) {
  test(`${name}: refused before the first stage`, async () => {
    await inFolder(async (folder) => {
      const { config } = smallCatalogue(folder);
      change?.(folder);
      const assignments = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
      const refused = await dare(['run', '--config', config, ...assignments], folder);
      assert.is(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, says);
      assert.match(refused.stderr, /hint: /);
      assert.not.match(refused.stderr, /segment/);
      assert.not.ok(existsSync(join(folder, 'lake')), 'nothing was written');
    });
  });
}

test('SIGINT while decoding: exit code 130, no half file anywhere in the lake', async () => {
  await inFolder(async (folder) => {
    const { config, prompts } = smallCatalogue(folder);
    const lake = join(folder, 'lake');
    const interrupt = { after: `decode: 0 of ${prompts}`, signal: 'SIGINT' } as const;
    // long texts one by one, so that the signal arrives before the end
    const slowly = [...oneByOne, '--set', 'decode.maxNewTokens=256'];
    const stopped = await dare(['run', '--config', config, ...slowly], folder, interrupt);
    assert.is(stopped.code, 130, stopped.stderr);
    const { warnings, ...result } = resultOf(stopped);
    assert.equal(result, { stage: 'run', error: 'stopped by SIGINT', exitCode: 130 });
    assert.match(String(warnings), /^kar: \d+ of 30 users have no prompt/, 'of the stages before');
    assertClean(filesBelow(lake));
    assert.equal(
      filesBelow(lake).filter((file) => /^(texts|features)/.test(file)),
      [],
    );
  });
});

test.run();
