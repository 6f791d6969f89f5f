import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { publish } from '../../pipeline/publish.js';
import { writeManifest } from '../../src/lake/manifest.js';
import { packageRoot } from '../../src/paths.js';
import type { StageContext } from '../../src/stage.js';
import {
  cohortColumns,
  errorOf,
  filesBelow,
  inFolder,
  query,
  readTable,
  schemaOf,
  writeTable,
} from '../prompts/fixture.js';
import { lakeWithTexts, type Text } from './lake.js';

/** Integer ids for items, text for users: each must come back as it was. */
const catalogue = {
  'items.csv': 'id,title\n7,Seven\n10,Ten\n9,"Nine ""9"""',
  'users.csv': "who\nann\no'bob",
  'ratings.csv': "who,id,stars,at\nann,7,5,2024-01-01T00:00:00Z\no'bob,9,4,2024-01-02T00:00:00Z",
};

const odd = 'it\'s "x"';
const texts: Text[] = [
  {
    framework: 'kar',
    entity_type: 'item',
    entity_id: '7',
    text: 'Seven.',
    vector: [0.5, -1],
    pool_version: 'v1',
  },
  { framework: 'kar', entity_type: 'item', entity_id: '10', error: 'the prompt is too long' },
  {
    framework: 'kar',
    entity_type: 'user',
    entity_id: 'ann',
    text: 'Likes seven.',
    vector: [1, 2],
    pool_version: 'v2',
  },
  { framework: odd, entity_type: 'user', entity_id: 'ann', text: 'It\'s "odd".', pool_version: 'v1' },
  { framework: odd, entity_type: 'user', entity_id: "o'bob", text: 'Quoted.' },
];

function contextWith(
  folder: string,
  rows: readonly Text[],
  frameworks = ['kar'],
  files: Record<string, string> = catalogue,
): Promise<StageContext> {
  // one of five prompts has no text
  return lakeWithTexts(folder, rows, { frameworks, files, publish: { quality: { failed: 0.2 } } });
}

const without = [
  ['item', '7'],
  ['item', '10'],
  ['user', "o'bob"],
] as const;

test('the users and items are those of the cohorts: what was forgotten stays so, and inputs that lack one are refused', async () => {
  await inFolder(async (folder) => {
    const context = await contextWith(folder, texts);
    const { lake } = context;
    const cohortsOf = (ids: readonly (readonly [string, string])[]) =>
      writeTable(
        lake.file('cohorts', 'p'),
        cohortColumns,
        ids.map(([type, id]) => ({ entity_type: type, entity_id: id, cohort: 'c', distance: 0 })),
      );
    await cohortsOf(without);
    const { rows, warnings, files } = await publish(context);
    assert.is(rows, 3);
    assert.match(
      warnings.join('\n'),
      /^2 texts in .* are of users or items that the partition doesn't have/m,
    );
    assert.match(warnings.join('\n'), /^2 users or items of the inputs are not in the partition's cohorts/m);
    const before = readFileSync(files[0] as string);
    await cohortsOf([...without, ['item', 'gone']]);
    const error = await errorOf(() => publish(context));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /^1 users or items of the cohorts in .* are not in the inputs/);
    assert.ok(before.equals(readFileSync(files[0] as string)), 'the features of before stay');
  });
});

test('texts, vectors, cohorts and provenance of every user and item give the golden table', async () => {
  await inFolder(async (folder) => {
    const context = await contextWith(folder, texts, ['kar', 'once']);
    await writeTable(context.lake.file('cohorts', 'p'), cohortColumns, [
      { entity_type: 'item', entity_id: '9', cohort: "c'1", distance: 0 },
      { entity_type: 'user', entity_id: 'ann', cohort: 'c2', distance: 0 },
      ...without.map(([type, id]) => ({ entity_type: type, entity_id: id, cohort: null, distance: 0 })),
    ]);
    const result = await publish(context);
    const [file] = result.files as [string];
    assert.is(result.rows, 5);
    assert.equal(result.frameworks, ['kar', 'once', odd]);
    assert.equal(result.warnings, [
      `1 of 5 prompts in ${context.lake.file('texts', 'p')} have no text (see its column error); their features are empty`,
    ]);
    assert.equal(await schemaOf(file), {
      entity_type: 'VARCHAR',
      entity_id: 'VARCHAR',
      user_id: 'VARCHAR',
      item_id: 'BIGINT',
      cohort: 'VARCHAR',
      kar: 'VARCHAR',
      kar_vector: 'FLOAT[]',
      once: 'VARCHAR',
      once_vector: 'FLOAT[]',
      [odd]: 'VARCHAR',
      [`${odd}_vector`]: 'FLOAT[]',
      model: 'VARCHAR',
      mode: 'VARCHAR',
      pool_version: 'VARCHAR',
      partition: 'VARCHAR',
    });
    const golden = readFileSync(join(packageRoot, 'tests/golden/features.json'), 'utf8');
    const rows = (await readTable(file)).map((row) => ({
      ...row,
      item_id: row.item_id === null ? null : Number(row.item_id),
    }));
    assert.equal(rows, JSON.parse(golden));
    assert.equal(
      filesBelow(context.config.lake).filter((name) => name.startsWith('features') || name.startsWith('_')),
      ['features/partition=p/_manifest.json', 'features/partition=p/features.parquet'],
    );

    const before = readFileSync(file);
    await publish(context);
    assert.ok(before.equals(readFileSync(file)), 'the same inputs give the same bytes');
  });
});

const joins: { name: string; files: Record<string, string>; user: string; item: string }[] = [
  { name: 'text and integer', files: catalogue, user: "o'bob", item: '9' },
  {
    name: 'integer and text',
    files: {
      'items.csv': 'id,title\n007,Bond\nb-1,B',
      'ratings.csv': 'who,id,stars,at\n1,007,5,2024-01-01T00:00:00Z\n2,b-1,5,2024-01-01T00:00:00Z',
    },
    user: '2',
    item: '007',
  },
];
for (const { name, files, user, item } of joins) {
  test(`a left join keeps the rows of the user's own tables: ids of users and items are ${name}`, async () => {
    await inFolder(async (folder) => {
      const own = [
        { framework: 'kar', entity_type: 'item', entity_id: item, text: 'of the item' },
        { framework: 'kar', entity_type: 'user', entity_id: user, text: 'of the user' },
      ];
      const context = await contextWith(folder, own, ['kar'], files);
      const [features] = (await publish(context)).files as [string];
      const params = { features, items: join(folder, 'items.csv'), ratings: join(folder, 'ratings.csv') };
      const items = await query(
        'SELECT m.id, f.kar FROM read_csv($items) m LEFT JOIN read_parquet($features) f ON f.item_id = m.id',
        { items: params.items, features },
      );
      assert.is(items.length, files === catalogue ? 3 : 2);
      assert.equal(
        items.filter((row) => row.kar !== null).map((row) => [String(row.id), row.kar]),
        [[item, 'of the item']],
      );
      const ratings = await query(
        'SELECT r.who, f.kar FROM read_csv($ratings) r LEFT JOIN read_parquet($features) f ON f.user_id = r.who',
        { ratings: params.ratings, features },
      );
      assert.is(ratings.length, 2);
      assert.equal(
        ratings.filter((row) => row.kar !== null).map((row) => [String(row.who), row.kar]),
        [[user, 'of the user']],
      );
    });
  });
}

test('no texts give typed columns without values', async () => {
  await inFolder(async (folder) => {
    const context = await contextWith(folder, []);
    const result = await publish(context);
    assert.is(result.rows, 5);
    const schema = await schemaOf(result.files[0] as string);
    assert.equal([schema.kar, schema.kar_vector, schema.pool_version], ['VARCHAR', 'FLOAT[]', 'VARCHAR']);
    const rows = await readTable(result.files[0] as string);
    assert.ok(rows.every((row) => row.kar === null && row.kar_vector === null && row.model === 'm"1'));
  });
});

test('texts of users and items that the inputs lack are left out and counted', async () => {
  await inFolder(async (folder) => {
    const context = await contextWith(folder, [
      ...texts,
      { framework: 'kar', entity_type: 'item', entity_id: '999', text: 'Gone.' },
      { framework: 'kar', entity_type: 'user', entity_id: '7', text: 'An item, not a user.' },
    ]);
    const result = await publish(context);
    assert.is(result.rows, 5);
    assert.is(result.texts, 4);
    assert.ok(result.warnings.some((warning) => warning.startsWith('2 texts in ')));
  });
});

const kar = { framework: 'kar', entity_type: 'item', entity_id: '7', text: 'x' };
const refusals: {
  name: string;
  rows?: Text[];
  spoil?: (context: StageContext) => void | Promise<void>;
  frameworks?: string[];
  exitCode: number;
  message: RegExp;
}[] = [
  {
    name: 'missing texts',
    spoil: ({ lake }) => rmSync(lake.dir('texts', 'p'), { recursive: true }),
    exitCode: 2,
    message: /there is no texts table for the partition p: .*texts\.parquet is missing/,
  },
  {
    name: 'a missing manifest',
    spoil: ({ lake }) => rmSync(join(lake.dir('texts', 'p'), '_manifest.json')),
    exitCode: 2,
    message: /manifest of the texts .* is missing or does not say model and mode/,
  },
  {
    name: 'a manifest without the mode',
    spoil: ({ lake }) => writeManifest(lake.dir('texts', 'p'), { model: 'm' }),
    exitCode: 2,
    message: /does not say model and mode/,
  },
  {
    name: 'texts cut off',
    spoil: ({ lake }) => {
      const file = lake.file('texts', 'p');
      writeFileSync(file, readFileSync(file).subarray(0, 300));
    },
    exitCode: 2,
    message: /texts\.parquet can't be read/,
  },
  {
    name: 'a Parquet file with other columns',
    spoil: ({ lake }) => writeTable(lake.file('texts', 'p'), { text: 'VARCHAR' }, [{ text: 'x' }]),
    exitCode: 2,
    message: /texts\.parquet can't be read: .*prompt_id/,
  },
  {
    name: 'a prompt with two rows',
    rows: [kar, { ...kar, entity_id: '10', prompt_id: 'kar:item:7' }],
    exitCode: 1,
    message: /has 2 rows for the prompt "kar:item:7"/,
  },
  {
    name: 'an entity with two texts of a framework',
    rows: [kar, { ...kar, prompt_id: 'another' }],
    exitCode: 1,
    message: /has 2 rows for the prompt ".*" \(kar, item "7"\)/,
  },
  {
    name: 'a framework named like a column of ours',
    rows: [{ ...kar, framework: 'Cohort' }],
    exitCode: 2,
    message: /"Cohort" needs the column "Cohort" .* that every features table has/,
  },
  {
    name: "a framework named like another's vectors",
    frameworks: ['kar', 'KAR_vector'],
    exitCode: 2,
    message: /needs the column "KAR_vector" .* a column of the framework "kar"/,
  },
];
for (const { name, rows, spoil, frameworks, exitCode, message } of refusals) {
  test(`refuses ${name}; the earlier features stay`, async () => {
    await inFolder(async (folder) => {
      const good = await contextWith(folder, texts);
      const [file] = (await publish(good)).files as [string];
      const before = readFileSync(file);
      const context = await contextWith(folder, rows ?? texts, frameworks);
      await spoil?.(context);
      const error = await errorOf(() => publish(context));
      assert.match(error.message, message);
      assert.is(error.exitCode, exitCode);
      assert.ok(error.hint);
      assert.ok(before.equals(readFileSync(file)));
      const left = filesBelow(dirname(file));
      assert.equal(left, ['_manifest.json', basename(file)]);
    });
  });
}

test('an aborted run throws the reason and leaves no file', async () => {
  await inFolder(async (folder) => {
    const reason = new Error('stopped by SIGINT');
    const context = { ...(await contextWith(folder, texts)), signal: AbortSignal.abort(reason) };
    assert.is(await errorOf(() => publish(context)), reason);
    assert.equal(filesBelow(context.lake.dir('features', 'p')), []);
  });
});

test.run();
