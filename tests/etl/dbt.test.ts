/** The dbt project on both sides of the real command line: two partitions, and one for which there was nothing yet. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { dare, resultOf } from '../cli/spawn.js';
import { type Finished, folderOf, inEnvironment, runIn } from './environment.js';
import { type Inputs, MOVIES, USERS, writeConfig, writeRaw } from './small.js';

const inDbt = (run: () => Promise<void>) => inEnvironment('dbt', run);
const folder = mkdtempSync(join(tmpdir(), 'dare-dbt-'));
const lake = join(folder, 'lake');
const FIRST = '2024-06-30';
const SECOND = '2024-12-31';
/** Before the first rating. */
const EMPTY = '2023-12-31';
const BEFORE = ['build', '-s', '+inputs'];
const AFTER = ['build', '-s', 'source:dare+'];

test.before(() => {
  const plain = join(writeRaw(folder), 'ratings.csv');
  // as the sample has them
  writeFileSync(`${plain}.gz`, gzipSync(readFileSync(plain)));
  rmSync(plain);
  for (const name of ['inputs', 'marts']) mkdirSync(join(folder, name));
});
test.after(() => rmSync(folder, { recursive: true }));

test(
  'dbt build before and after a run, over two partitions',
  inDbt(async () => {
    for (const partition of [FIRST, SECOND]) {
      passes(await dbt(partition, BEFORE));
      const run = await dareRun(partition);
      assert.is(run.code, 0, run.stderr);
      passes(await dbt(partition, AFTER));
    }
    const counts = await query(
      `select count(*) filter (filename like $first)::integer as first, count(*)::integer as both
    from read_parquet($files, filename = true)`,
      { first: `%${FIRST}%`, files: join(folder, 'marts/user_features-*.parquet') },
    );
    assert.equal(counts, [{ first: USERS, both: 2 * USERS }]);
    const joined = await query(
      `select count(*)::integer as items, count(mart.kar)::integer as texts,
      count(*) filter (features.kar is distinct from mart.kar)::integer as wrong,
      count(*) filter (items.title is distinct from mart.title)::integer as misnamed
    from read_parquet($mart) as mart
    join read_parquet($features) as features on features.item_id = mart.movie_id
    join read_parquet($items) as items on items.movie_id = mart.movie_id`,
      {
        mart: join(folder, `marts/item_features-${SECOND}.parquet`),
        features: join(lake, `features/partition=${SECOND}/features.parquet`),
        items: join(folder, `inputs/items-${SECOND}.parquet`),
      },
    );
    assert.equal(joined, [{ items: MOVIES, texts: MOVIES, wrong: 0, misnamed: 0 }]);
  }),
);

test(
  'a partition without ratings: no row, the same types, and nothing of other partitions',
  inDbt(async () => {
    passes(await dbt(EMPTY, BEFORE));
    const [empty, full] = [EMPTY, FIRST].map((partition) => inputsOf(partition).ratings) as [string, string];
    assert.equal(await query('select count(*)::integer as n from read_parquet($empty)', { empty }), [
      { n: 0 },
    ]);
    assert.equal(await typesOf(empty), await typesOf(full));
    const run = await dareRun(EMPTY);
    assert.is(run.code, 2);
    assert.match(String(resultOf(run).error), /ratings.* is empty/);
    passes(await dbt(EMPTY, AFTER));
    const mart = (partition: string) => join(folder, `marts/user_features-${partition}.parquet`);
    const rows = await query('select count(*)::integer as n from read_parquet($file)', { file: mart(EMPTY) });
    assert.equal(rows, [{ n: 0 }]);
    assert.equal(await typesOf(mart(EMPTY)), await typesOf(mart(FIRST)));
  }),
);

test(
  'building a partition again gives the same files',
  inDbt(async () => {
    const files = [...Object.values(inputsOf(SECOND)), join(folder, `marts/item_features-${SECOND}.parquet`)];
    const before = files.map((file) => readFileSync(file));
    passes(await dbt(SECOND, BEFORE));
    passes(await dbt(SECOND, AFTER));
    for (const [index, file] of files.entries()) assert.ok(before[index]?.equals(readFileSync(file)), file);
  }),
);

test(
  'every column of every table is documented',
  inDbt(async () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'target/manifest.json'), 'utf8')) as Manifest;
    const nodes = [...Object.values(manifest.sources), ...Object.values(manifest.nodes)];
    const documented = (name: string) =>
      Object.values(nodes.find((node) => node.unique_id === name)?.columns ?? {})
        .filter(({ description }) => description !== '')
        .map((column) => column.name);
    const files: Record<string, string> = {
      'source.dare.dare.texts': join(lake, `texts/partition=${FIRST}/texts.parquet`),
      'source.dare.dare.features': join(lake, `features/partition=${FIRST}/features.parquet`),
      'model.dare.items': inputsOf(FIRST).items,
      'model.dare.users': inputsOf(FIRST).users,
      'model.dare.ratings': inputsOf(FIRST).ratings,
      'source.dare.inputs.items': inputsOf(FIRST).items,
      'source.dare.inputs.users': inputsOf(FIRST).users,
      'source.dare.inputs.ratings': inputsOf(FIRST).ratings,
      'model.dare.item_features': join(folder, `marts/item_features-${FIRST}.parquet`),
      'model.dare.user_features': join(folder, `marts/user_features-${FIRST}.parquet`),
      'source.dare.raw.movies': join(folder, 'raw/movies.csv'),
      'source.dare.raw.users': join(folder, 'raw/users.csv'),
      'source.dare.raw.ratings': join(folder, 'raw/ratings.csv.gz'),
    };
    for (const [name, file] of Object.entries(files)) {
      const columns = (await typesOf(file)).map(({ column_name }) => column_name);
      assert.equal(documented(name).sort(), columns.sort(), name);
    }
    assert.equal(Object.keys(manifest.exposures), ['exposure.dare.ranking_model']);
  }),
);

test(
  'freshness goes by the newest partition',
  inDbt(async () => {
    const { code } = await dbt(FIRST, ['source', 'freshness']);
    assert.is(code, 1, 'texts of 2024 are stale');
    const { results } = JSON.parse(readFileSync(join(folder, 'target/sources.json'), 'utf8')) as Freshness;
    const newest = results
      .map(({ unique_id, max_loaded_at }) => [unique_id, max_loaded_at.slice(0, 10)])
      .sort();
    assert.equal(newest, [
      ['source.dare.dare.features', SECOND],
      ['source.dare.dare.texts', SECOND],
    ]);
  }),
);

/** A user and an item that both partitions have. */
const MISSING = `entity_id in (select min(entity_id) from read_parquet($file) group by entity_type)`;

test(
  'a user and an item without features in the partition fail the build, though another partition has them',
  inDbt(async () => {
    const file = fileOf('features');
    const whole = readFileSync(file);
    await rewrite(file, `from read_parquet($file) where not ${MISSING}`);
    const { code, output } = await dbt(SECOND, AFTER);
    writeFileSync(file, whole);
    assert.is(code, 1);
    assert.match(output, /FAIL 2 texts_without_features/);
  }),
);

test(
  'users and items of the inputs that fall out of the marts fail the build',
  inDbt(async () => {
    const files = [fileOf('features'), fileOf('texts')];
    const whole = files.map((file) => readFileSync(file));
    for (const file of files) await rewrite(file, `from read_parquet($file) where not ${MISSING}`);
    const { code, output } = await dbt(SECOND, AFTER);
    for (const [index, file] of files.entries()) writeFileSync(file, whole[index] as Buffer);
    assert.is(code, 1);
    assert.match(output, /FAIL 2 inputs_without_features/);
  }),
);

test(
  'a text that is there twice fails the build',
  inDbt(async () => {
    const file = fileOf('texts');
    await rewrite(file, 'select * from read_parquet($file) union all (from read_parquet($file) limit 1)');
    const { code, output } = await dbt(SECOND, AFTER);
    assert.is(code, 1);
    assert.match(output, /FAIL 1 source_unique_dare_texts_prompt_id/);
  }),
);

test.run();

interface Documented {
  unique_id: string;
  columns: Record<string, { name: string; description: string }>;
}

/** The parts of dbt's files that are looked at here. */
interface Manifest {
  nodes: Record<string, Documented>;
  sources: Record<string, Documented>;
  exposures: Record<string, unknown>;
}
interface Freshness {
  results: { unique_id: string; max_loaded_at: string }[];
}

function dbt(partition: string, args: readonly string[]): Promise<Finished> {
  const paths = Object.fromEntries(
    ['raw', 'inputs', 'lake', 'marts'].map((name) => [name, join(folder, name)]),
  );
  return runIn('dbt', 'dbt', [
    '--no-use-colors',
    ...args,
    ...['--project-dir', folderOf('dbt'), '--profiles-dir', folderOf('dbt')],
    ...['--target-path', join(folder, 'target'), '--log-path', join(folder, 'logs')],
    ...['--vars', JSON.stringify({ partition, ...paths })],
  ]);
}

function passes({ code, output }: Finished): void {
  assert.is(code, 0, output);
  // a selection that matches nothing passes too
  assert.match(output, /Done\. PASS=[1-9]\d* WARN=0 ERROR=0 SKIP=0/);
}

function fileOf(table: string): string {
  return join(lake, `${table}/partition=${SECOND}/${table}.parquet`);
}

/** Replaces a Parquet file by what a query makes of it. */
async function rewrite(file: string, sql: string): Promise<void> {
  await query(`copy (${sql}) to $changed (format parquet)`, { file, changed: `${file}.changed` });
  renameSync(`${file}.changed`, file);
}

function inputsOf(partition: string): Inputs {
  const file = (name: string) => join(folder, `inputs/${name}-${partition}.parquet`);
  return { items: file('items'), users: file('users'), ratings: file('ratings') };
}

function dareRun(partition: string) {
  const config = writeConfig(folder, inputsOf(partition));
  return dare(['run', '--config', config, '--partition', partition]);
}

async function query(sql: string, params: Record<string, string>): Promise<Record<string, unknown>[]> {
  const duck = await Duck.open();
  try {
    return await duck.rows(sql, params);
  } finally {
    duck.close();
  }
}

function typesOf(file: string): Promise<Record<string, unknown>[]> {
  const scan = /\.csv(\.gz)?$/.test(file)
    ? 'read_csv($file)'
    : 'read_parquet($file, hive_partitioning = true)';
  return query(`select column_name, column_type from (describe select * from ${scan})`, { file });
}
