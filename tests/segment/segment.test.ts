import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { segment } from '../../pipeline/segment.js';
import { DareError } from '../../src/errors.js';
import { Duck } from '../../src/lake/duck.js';
import { Lake } from '../../src/lake/lake.js';
import { readManifest } from '../../src/lake/manifest.js';
import { originOf } from '../../src/lake/origin.js';
import { silentProgress } from '../../src/report/progress.js';
import type { StageContext } from '../../src/stage.js';
import { type Data, draw, planted, segmented, withFolder, writeData } from './data.js';
import { nmi } from './nmi.js';

const silent = () => undefined;

function context(folder: string, data: Data, signal = new AbortController().signal): StageContext {
  const config = writeData(folder, data, {});
  return {
    config,
    lake: new Lake(config.lake),
    partition: 'p',
    log: { debug: silent, info: silent, warn: silent, error: silent },
    progress: silentProgress,
    signal,
  };
}

const three = planted(3, 150, 90, 12);

test('planted groups are found, and their number', async () => {
  for (const [groups, data] of [
    [2, planted(2, 120, 60, 10)],
    [3, three],
    [5, planted(5, 300, 150, 15)],
  ] as const) {
    const { cohort, users } = await segmented(data);
    const ids = [...cohort.keys()].filter((id) => id.startsWith('user:u'));
    const truth = ids.map((id) => String(Number(id.slice('user:u'.length)) % groups));
    const found = ids.map((id) => cohort.get(id) as string);
    assert.is(Object.keys(users.sizes).length, groups);
    assert.ok(nmi(found, truth) >= 0.95, `${groups} groups: ${nmi(found, truth)}`);
  }
});

test('labels are numbered by size, then by the first id', async () => {
  const { users } = await segmented(three);
  assert.equal(Object.keys(users.sizes), ['user-1', 'user-2', 'user-3']);
  const sizes = Object.values(users.sizes);
  assert.equal(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
});

test('ratings without structure: one cohort and a warning', async () => {
  const ratings = Array.from(
    { length: 2000 },
    (_, n) => `u${n % 200},i${Math.floor(draw(n) * 80)},4,2024-01-01`,
  );
  const items = Array.from({ length: 80 }, (_, n) => `i${n},g,`);
  const { users, warnings } = await segmented({ items, ratings: [...new Set(ratings)] });
  assert.equal(users.sizes, { 'user-1': 200 });
  assert.match(warnings.join(), /no groups of users beyond chance/);
});

test('cold-start users go by what they like, users without likes and without ratings are unknown', async () => {
  // i0, i3, .. are of genre g0; u0 of group 0; and so on.
  const cold = [
    'c0,i0,5,2024-01-01',
    'c0,i3,4,2024-01-01',
    'c1,i1,3,2024-01-01',
    'c2,i2,5,2024-01-01',
    'c2,i1,1,2024-01-01',
  ];
  const users = [...Array.from({ length: 150 }, (_, n) => `u${n},`), 'c0,', 'c1,', 'c2,', 'hater,', 'ghost,'];
  const data = {
    ...three,
    users,
    ratings: [...three.ratings, ...cold, 'hater,i0,1,2024-01-01', 'hater,i1,2,2024-01-01'],
  };
  const { cohort, rows, users: summary } = await segmented(data);
  for (const group of [0, 1, 2]) {
    const members = Array.from({ length: 50 }, (_, n) => cohort.get(`user:u${3 * n + group}`) as string);
    const usual = mode(members);
    assert.is(cohort.get(`user:c${group}`), usual, `c${group}`);
  }
  assert.is(cohort.get('user:hater'), 'user-unknown');
  assert.is(cohort.get('user:ghost'), 'user-unknown');
  assert.equal(summary.placed, { collaborative: 150, by_attributes: 3, unknown: 2 });
  for (const row of rows) {
    const measured = /^u/.test(String(row.entity_id)) && row.entity_type === 'user';
    assert.is(typeof row.distance === 'number', measured, `distance of ${row.entity_id}`);
  }
});

test("cold-start users go by their own attributes, where the users' file has some", async () => {
  const users = [
    ...Array.from({ length: 150 }, (_, n) => `u${n},land${n % 3}`),
    'new0,land0',
    'new1,land1',
    'new2,land2',
    'alien,mars',
  ];
  const { cohort } = await segmented({ ...three, users }, { users: { columns: ['land'] } });
  for (const group of [0, 1, 2]) {
    const members = Array.from({ length: 50 }, (_, n) => cohort.get(`user:u${3 * n + group}`) as string);
    assert.is(cohort.get(`user:new${group}`), mode(members));
  }
  assert.is(cohort.get('user:alien'), 'user-unknown');
});

test('too little data for groups: a warning, never a crash', async () => {
  const items = ['a,x,', 'b,y,'];
  const table: { name: string; ratings: string[]; users: object; sizes: object; warning: RegExp }[] = [
    {
      name: 'no user has enough ratings',
      ratings: ['u1,a,5,2024-01-01', 'u2,b,5,2024-01-01'],
      users: {},
      sizes: { 'user-unknown': 2 },
      warning: /only 0 users have at least 5 ratings above 2: too few/,
    },
    {
      name: 'nobody likes anything',
      ratings: ['u1,a,1,2024-01-01', 'u2,b,2,2024-01-01'],
      users: { minRatings: 1 },
      sizes: { 'user-unknown': 2 },
      warning: /only 0 users/,
    },
    {
      name: 'one user has enough, another fits',
      ratings: ['u1,a,5,2024-01-01', 'u1,b,5,2024-01-01', 'u2,b,5,2024-01-01'],
      users: { minRatings: 2 },
      sizes: { 'user-1': 2 },
      warning: /only 1 users/,
    },
    {
      name: 'more groups wanted than users',
      ratings: ['u1,a,5,2024-01-01', 'u2,b,5,2024-01-01'],
      users: { minRatings: 1, groups: 5 },
      sizes: { 'user-1': 1, 'user-2': 1 },
      warning: /2 groups of users are made instead of 5/,
    },
    {
      name: 'all the same',
      ratings: ['u1,a,5,2024-01-01', 'u2,a,5,2024-01-01', 'u3,a,5,2024-01-01'],
      users: { minRatings: 1, groups: 2 },
      sizes: { 'user-1': 3 },
      warning: /^$/,
    },
  ];
  for (const { name, ratings, users, sizes, warning } of table) {
    const found = await segmented({ items, ratings }, { users });
    assert.equal(found.users.sizes, sizes, name);
    assert.match(found.warnings.join(), warning);
  }
});

test('separate parts of the graph are groups', async () => {
  const ratings = ['u1,a', 'u2,a', 'u3,b', 'u4,b', 'u5,b'].map((row) => `${row},5,2024-01-01`);
  const { users } = await segmented({ items: ['a,x,', 'b,y,'], ratings }, { users: { minRatings: 1 } });
  assert.equal(users.sizes, { 'user-1': 3, 'user-2': 2 });
});

test('ratings on another scale, and shifted below zero', async () => {
  const expected = await segmented(three, { users: { groups: 3 } });
  for (const [factor, shift, dislikedTo] of [
    [20, 0, 40],
    [0.5, -4, -3],
  ] as const) {
    const ratings = three.ratings.map((row) => {
      const [user, item, value, time] = row.split(',');
      return [user, item, Number(value) * factor + shift, time].join(',');
    });
    const found = await withFolder(async (folder) => {
      const config = writeData(folder, { ...three, ratings }, { users: { groups: 3 } });
      config.prompts.history = { ...config.prompts.history, dislikedTo };
      const stage = { ...context(folder, { ...three, ratings }), config };
      return (await segment(stage)).users;
    });
    assert.equal(found, expected.users, `${factor} ${shift}`);
  }
});

const labelled = [
  'a,Sci-Fi,',
  'b,Sci Fi,',
  'c,Sci-Fi,',
  'd,,',
  'e,Äpfel & Öl!,x',
  'f,???,',
  'g,  ,',
  'h,Unknown,',
];
const oneRating = ['u,a,5,2024-01-01'];

test('items by attributes: labels of letters and digits, each value its own, none known apart', async () => {
  const { cohort } = await segmented({ items: labelled, ratings: oneRating });
  const items = Object.fromEntries(
    [...cohort].filter(([id]) => id.startsWith('item:')).map(([id, label]) => [id.slice(5), label]),
  );
  assert.equal(items, {
    a: 'item-sci-fi',
    b: 'item-sci-fi~2',
    c: 'item-sci-fi',
    d: 'item-unknown',
    e: 'item-äpfel-öl',
    f: 'item-group',
    g: 'item-unknown',
    h: 'item-unknown~2',
  });
});

test('items by several attributes: a cohort for each combination', async () => {
  const items = ['a,x,1', 'b,x,2', 'c,x,', 'd,,1', 'e,x,1'];
  const { cohort } = await segmented({ items, ratings: oneRating }, { items: { columns: ['genre', 'tag'] } });
  assert.equal(
    ['a', 'b', 'c', 'd', 'e'].map((id) => cohort.get(`item:${id}`)),
    ['item-x-1', 'item-x-2', 'item-x', 'item-1', 'item-x-1'],
  );
});

test('items with a number of groups: the largest stay, the last is other', async () => {
  const items = ['a,x,', 'b,x,', 'c,x,', 'd,y,', 'e,y,', 'f,z,', 'g,other,', 'h,,'];
  const table: [number | 'auto', object][] = [
    ['auto', { 'item-x': 3, 'item-y': 2, 'item-other': 1, 'item-unknown': 1, 'item-z': 1 }],
    [4, { 'item-x': 3, 'item-y': 2, 'item-other': 1, 'item-unknown': 1, 'item-z': 1 }],
    [3, { 'item-x': 3, 'item-other': 2, 'item-y': 2, 'item-unknown': 1 }],
    [1, { 'item-other': 7, 'item-unknown': 1 }],
  ];
  for (const [groups, sizes] of table) {
    const found = await segmented({ items, ratings: oneRating }, { items: { columns: ['genre'], groups } });
    assert.equal(found.items.sizes, sizes, String(groups));
  }
});

test('items with groups: auto: at most 64, with a warning; method column keeps all', async () => {
  const items = Array.from({ length: 100 }, (_, n) => `i${n},value ${n},`);
  const ratings = ['u,i1,5,2024-01-01'];
  const auto = await segmented({ items, ratings });
  assert.is(Object.keys(auto.items.sizes).length, 64);
  assert.is(auto.items.sizes['item-other'], 37);
  assert.match(auto.warnings.join(), /100 different values; the 63 most frequent .* item-other/);
  const column = await segmented({ items, ratings }, { items: { method: 'column', columns: ['genre'] } });
  assert.is(Object.keys(column.items.sizes).length, 100);
});

test('users by attributes: their own columns, or the value they like most; ready-made groups from a column', async () => {
  const data: Data = {
    items: ['a,Drama,', 'b,Comedy,', 'c,Comedy,'],
    ratings: [
      '1,a,5,2024-01-01',
      '1,b,3,2024-01-01',
      '1,c,3,2024-01-01',
      '2,b,4,2024-01-01',
      '3,a,1,2024-01-01',
    ],
    users: ['1,de', '2,fr', '3,de', '4,'],
  };
  const table: [object, string[]][] = [
    [
      { method: 'attributes', columns: ['genre'] },
      ['user-drama', 'user-comedy', 'user-unknown', 'user-unknown'],
    ],
    [{ method: 'attributes', columns: ['land'] }, ['user-de', 'user-fr', 'user-de', 'user-unknown']],
    [{ method: 'column', columns: ['land'] }, ['user-de', 'user-fr', 'user-de', 'user-unknown']],
    [
      { method: 'attributes', columns: ['land'], groups: 1 },
      ['user-other', 'user-other', 'user-other', 'user-unknown'],
    ],
  ];
  for (const [users, expected] of table) {
    const { cohort } = await segmented(data, { users });
    assert.equal(
      ['1', '2', '3', '4'].map((id) => cohort.get(`user:${id}`)),
      expected,
      JSON.stringify(users),
    );
  }
});

test('the stage writes one row for each user and item, in order, and a manifest', () =>
  withFolder(async (folder) => {
    const stage = context(folder, three);
    const result = await segment(stage);
    const file = stage.lake.file('cohorts', 'p');
    assert.equal([result.stage, result.partition, result.rows, result.files], ['segment', 'p', 240, [file]]);
    const duck = await Duck.open();
    const rows = await duck.rows('select * from read_parquet($file, hive_partitioning=false)', { file });
    const types = await duck.rows('describe select * from read_parquet($file, hive_partitioning=false)', {
      file,
    });
    const [version] = await duck.rows('select version() as version');
    duck.close();
    assert.equal(
      types.map((row) => `${row.column_name} ${row.column_type}`),
      ['entity_type VARCHAR', 'entity_id VARCHAR', 'cohort VARCHAR', 'distance DOUBLE'],
    );
    const keys = rows.map((row) => `${row.entity_type} ${row.entity_id}`);
    assert.equal(keys, [...new Set(keys)].sort());
    assert.is(keys.length, 240);
    assert.ok(rows.every((row) => row.cohort !== null));
    const manifest = await readManifest(stage.lake.dir('cohorts', 'p'));
    assert.is(manifest?.rows, 240);
    const origin = originOf(manifest ?? {});
    assert.is(origin?.versions.DuckDB, version?.version);
    assert.is(origin?.configuration['cohorts.users.method'], stage.config.cohorts.users.method);
    assert.equal(
      origin?.files['inputs.ratings']?.map(({ path }) => path),
      stage.config.inputs.ratings.path,
    );
    assert.equal(readdirSync(stage.lake.dir('cohorts', 'p')).sort(), ['_manifest.json', 'cohorts.parquet']);
    assert.not.ok(existsSync(stage.lake.work('cohorts', 'p')), 'no scratch is left');
  }));

test('bad input and a signal leave the earlier cohorts as they are and nothing behind', () =>
  withFolder(async (folder) => {
    const stage = context(folder, three);
    await segment(stage);
    const dir = stage.lake.dir('cohorts', 'p');
    const before = readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'latin1')]);
    const after = () => readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'latin1')]);

    const aborted = new AbortController();
    aborted.abort(new Error('stopped by SIGINT'));
    assert.is(await failure(segment({ ...stage, signal: aborted.signal })), aborted.signal.reason);
    assert.equal(after(), before);

    writeFileSync(join(folder, 'items.csv'), 'id,genre,tag\n');
    const error = await failure(segment(stage));
    assert.instance(error, DareError);
    assert.is((error as DareError).exitCode, 2);
    assert.equal(after(), before);

    rmSync(join(folder, 'items.csv'));
    assert.is(((await failure(segment(stage))) as DareError).exitCode, 2);
    assert.equal(after(), before);
    assert.not.ok(existsSync(stage.lake.work('cohorts', 'p')));
  }));

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error('did not fail');
    },
    (error: unknown) => error,
  );
}

function mode(labels: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
}

test.run();
