import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { Duck } from '../../src/lake/duck.js';
import { type OpenedInputs, openInputs, type Sources } from '../../src/lake/inputs.js';

const goodItems = 'id,title,year\n1,Alpha,1999\n2,"Beta, the second",2001\n3,Gamma,\n';
const goodRatings =
  'user,item,rating,time\n7,1,5,2024-01-01T00:00:00Z\n7,2,3.5,2024-01-02T00:00:00Z\n8,3,1,1704067200\n';

/** Folder with items.csv and ratings.csv, and a session, for as long as `work` runs. */
async function inFolder(work: (folder: string, duck: Duck) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-inputs-'));
  const duck = await Duck.open({ threads: 2 });
  try {
    writeFileSync(join(folder, 'items.csv'), goodItems);
    writeFileSync(join(folder, 'ratings.csv'), goodRatings);
    await work(folder, duck);
  } finally {
    duck.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function sources(folder: string, change: Partial<Sources> = {}): Sources {
  return {
    items: { path: [join(folder, 'items.csv')], id: 'id', columns: { title: 'title', year: 'year' } },
    ratings: {
      path: [join(folder, 'ratings.csv')],
      user: 'user',
      item: 'item',
      value: 'rating',
      time: 'time',
    },
    ...change,
  };
}

async function tables(duck: Duck): Promise<{ items: unknown[]; users: unknown[]; ratings: unknown[] }> {
  return {
    items: await duck.rows('select * from items order by item_id'),
    users: await duck.rows('select * from users order by user_id'),
    ratings: await duck.rows(
      'select user_id, item_id, rating, rated_at::varchar as rated_at from ratings order by user_id, item_id',
    ),
  };
}

/** Runs SQL that writes a file, `$file`. */
async function copyTo(duck: Duck, file: string, query: string, options = 'format parquet'): Promise<void> {
  await duck.run(`copy (${query}) to $file (${options})`, { file });
}

test('CSV: attributes as text, ids in their own type, times in UTC', () =>
  inFolder(async (folder, duck) => {
    const opened = await openInputs(duck, sources(folder));
    assert.equal(opened, { warnings: [], itemCount: 3, userCount: 2, ratingCount: 3 });
    assert.equal(await tables(duck), {
      items: [
        { item_id: '1', title: 'Alpha', year: '1999', item_key: 1n },
        { item_id: '2', title: 'Beta, the second', year: '2001', item_key: 2n },
        { item_id: '3', title: 'Gamma', year: null, item_key: 3n },
      ],
      users: [
        { user_id: '7', user_key: 7n },
        { user_id: '8', user_key: 8n },
      ],
      ratings: [
        { user_id: '7', item_id: '1', rating: 5, rated_at: '2024-01-01 00:00:00' },
        { user_id: '7', item_id: '2', rating: 3.5, rated_at: '2024-01-02 00:00:00' },
        { user_id: '8', item_id: '3', rating: 1, rated_at: '2024-01-01 00:00:00' },
      ],
    });
  }));

test('CSV ids with leading zeros stay text', () =>
  inFolder(async (folder, duck) => {
    writeFileSync(join(folder, 'items.csv'), 'id,title,year\n007,Alpha,1999\n7,Beta,2001\n');
    writeFileSync(
      join(folder, 'ratings.csv'),
      'user,item,rating,time\n01,007,5,2024-01-01\n1,7,4,2024-01-01\n',
    );
    await openInputs(duck, sources(folder));
    const { items, users } = await tables(duck);
    assert.equal(
      items.map((row) => (row as { item_key: unknown }).item_key),
      ['007', '7'],
    );
    assert.equal(
      users.map((row) => (row as { user_key: unknown }).user_key),
      ['01', '1'],
    );
  }));

test('Parquet and CSV give the same tables; a glob and a list the same as one file', () =>
  inFolder(async (folder, duck) => {
    const expected = await openInputs(duck, sources(folder)).then(() => tables(duck));
    const csvFile = join(folder, 'ratings.csv');
    await duck.run('create table parts as from read_csv($file, all_varchar=true)', { file: csvFile });
    mkdirSync(join(folder, 'parts'));
    for (const n of [0, 1, 2]) {
      await copyTo(duck, join(folder, 'parts', `p${n}.parquet`), `from parts limit 1 offset ${n}`);
      await copyTo(
        duck,
        join(folder, 'parts', `p${n}.csv`),
        `from parts limit 1 offset ${n}`,
        'format csv, header',
      );
    }
    writeFileSync(join(folder, 'semicolons.csv'), goodRatings.replaceAll(',', ';'));
    writeFileSync(join(folder, 'windows.csv'), `\ufeff${goodRatings.replaceAll('\n', '\r\n')}`);
    writeFileSync(join(folder, 'zipped.csv.gz'), gzipSync(goodRatings));
    const forms = {
      'glob of Parquet': [join(folder, 'parts', '*.parquet')],
      'glob of CSV': [join(folder, 'parts', 'p?.csv')],
      list: [0, 1, 2].map((n) => join(folder, 'parts', `p${n}.parquet`)),
      'a file named twice': [csvFile, csvFile],
      semicolons: [join(folder, 'semicolons.csv')],
      'byte order mark and CR LF': [join(folder, 'windows.csv')],
      gzip: [join(folder, 'zipped.csv.gz')],
    };
    for (const [name, path] of Object.entries(forms)) {
      await openInputs(duck, sources(folder, { ratings: { ...sources(folder).ratings, path } }));
      assert.equal((await tables(duck)).ratings, expected.ratings, name);
    }
  }));

test('Parquet types: numbers stay numbers, times with and without zone, epoch seconds to nanoseconds', () =>
  inFolder(async (folder, duck) => {
    const items = join(folder, 'items.parquet');
    await copyTo(duck, items, "select 1::utinyint as id, 'Alpha' as title, 1999::smallint as year");
    const at = { path: [items], id: 'id', columns: { title: 'title', year: 'year' } };
    const times = [
      "timestamp '2024-01-01 12:00:00'",
      "timestamptz '2024-01-01 14:00:00+02'",
      "'2024-01-01T14:00:00+02:00'",
      "'2024-01-01 12:00:00'",
      "'2024-01-01 07:00:00.000-0500'",
      "'2024-01-01T12:00:00Z'",
      '1704110400',
      '1704110400000',
      '1704110400000000',
      '1704110400000000000',
      "'1704110400'",
    ];
    await duck.run("set TimeZone = 'America/New_York'");
    for (const [n, time] of times.entries()) {
      const file = join(folder, `ratings-${n}.parquet`);
      await copyTo(
        duck,
        file,
        `select 'u' as user, 1::usmallint as item, 4.5::decimal(3,1) as rating, ${time} as time`,
      );
      await openInputs(
        duck,
        sources(folder, { items: at, ratings: { ...sources(folder).ratings, path: [file] } }),
      );
      const found = await tables(duck);
      assert.equal(found.items, [{ item_id: '1', title: 'Alpha', year: 1999, item_key: 1 }]);
      assert.equal(found.users, [{ user_id: 'u', user_key: 'u' }]);
      assert.equal(
        found.ratings,
        [{ user_id: 'u', item_id: '1', rating: 4.5, rated_at: '2024-01-01 12:00:00' }],
        time,
      );
    }
  }));

test('column names with quotes, spaces, semicolons and SQL in them are only names', () =>
  inFolder(async (folder, duck) => {
    const names = { id: 'the "id"', title: "ti'tle; drop table items", user: 'user id', item: 'item,id' };
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    writeFileSync(join(folder, 'items.csv'), `${quoted(names.id)},${quoted(names.title)}\n1,Alpha\n`);
    writeFileSync(join(folder, 'ratings.csv'), `${names.user},${quoted(names.item)},r,t\n5,1,4,2024-01-01\n`);
    await duck.run('create table named as from read_csv($file)', { file: join(folder, 'items.csv') });
    await copyTo(duck, join(folder, 'items.parquet'), 'from named');
    for (const file of ['items.csv', 'items.parquet']) {
      const opened = await openInputs(duck, {
        items: { path: [join(folder, file)], id: names.id, columns: { title: names.title } },
        ratings: {
          path: [join(folder, 'ratings.csv')],
          user: names.user,
          item: names.item,
          value: 'r',
          time: 't',
        },
      });
      assert.is(opened.ratingCount, 1);
      assert.equal((await tables(duck)).items, [{ item_id: '1', title: 'Alpha', item_key: 1n }]);
    }
  }));

test('a file of users: users without ratings are users, ratings of others are left out and counted', () =>
  inFolder(async (folder, duck) => {
    writeFileSync(join(folder, 'users.csv'), 'u,age\n7,30\n9,40\n');
    const users = { path: [join(folder, 'users.csv')], id: 'u', columns: { age: 'age' } };
    const opened = await openInputs(duck, sources(folder, { users }));
    assert.equal([opened.userCount, opened.ratingCount, opened.warnings.length], [2, 2, 1]);
    assert.match(opened.warnings[0] as string, /1 of 3 ratings .* users .* such as "8"; they were left out/);
    assert.equal((await tables(duck)).users, [
      { user_id: '7', age: '30', user_key: 7n },
      { user_id: '9', age: '40', user_key: 9n },
    ]);
  }));

test('ratings of unknown items are left out and counted', () =>
  inFolder(async (folder, duck) => {
    writeFileSync(join(folder, 'ratings.csv'), `${goodRatings}7,99,4,2024-01-01\n`);
    const opened = await openInputs(duck, sources(folder));
    assert.is(opened.ratingCount, 3);
    assert.match(opened.warnings.join(), /1 of 4 ratings .* items .* such as "99"; they were left out/);
  }));

test('of repeated ratings the latest counts, of equally late ones the highest; no time is the earliest', () =>
  inFolder(async (folder, duck) => {
    const rows = [
      '7,1,5,2024-01-01',
      '7,1,2,2024-01-03',
      '7,1,4,2024-01-03',
      '7,2,1,',
      '7,2,5,2020-01-01',
      '8,3,2,',
      '8,3,3,',
    ];
    for (const order of [rows, [...rows].reverse()]) {
      writeFileSync(join(folder, 'ratings.csv'), `user,item,rating,time\n${order.join('\n')}\n`);
      const opened = await openInputs(duck, sources(folder));
      assert.match(opened.warnings.join(), /4 of 7 ratings .* repeat a user and an item; the latest/);
      assert.equal((await tables(duck)).ratings, [
        { user_id: '7', item_id: '1', rating: 4, rated_at: '2024-01-03 00:00:00' },
        { user_id: '7', item_id: '2', rating: 5, rated_at: '2020-01-01 00:00:00' },
        { user_id: '8', item_id: '3', rating: 3, rated_at: null },
      ]);
    }
  }));

interface BadCase {
  name: string;
  /** Spoils the folder; returns changed sources, where the configuration is to blame. */
  spoil: (folder: string, duck: Duck) => Promise<Partial<Sources>> | Partial<Sources> | undefined;
  expected: RegExp;
}

const csv = (file: string, text: string | Buffer) => (folder: string) => {
  writeFileSync(join(folder, file), text);
  return undefined;
};
const ratingsCsv = (...rows: string[]) => csv('ratings.csv', `user,item,rating,time\n${rows.join('\n')}\n`);
const itemsAt = (path: string, columns: Record<string, string> = {}) => ({
  items: { path: [path], id: 'id', columns },
});
const itemsParquet =
  (query: string, columns: Record<string, string> = {}) =>
  async (folder: string, duck: Duck) => {
    await copyTo(duck, join(folder, 'items.parquet'), query);
    return itemsAt(join(folder, 'items.parquet'), columns);
  };

const bad: BadCase[] = [
  {
    name: 'missing file',
    spoil: (folder) => {
      rmSync(join(folder, 'items.csv'));
      return undefined;
    },
    expected: /inputs\.items\.path: the file was not found: .*items\.csv/,
  },
  {
    name: 'glob without match',
    spoil: (folder) => itemsAt(join(folder, 'none-*.parquet')),
    expected: /inputs\.items\.path: no file matches .*none-\*\.parquet/,
  },
  {
    name: 'folder',
    spoil: (folder) => itemsAt(folder),
    expected: /inputs\.items\.path is a folder, not a file/,
  },
  {
    name: 'missing id column',
    spoil: csv('items.csv', 'key,title,year\n1,a,1\n'),
    expected:
      /items\.csv has no column "id", which inputs\.items\.id names; its columns are "key", "title", "year"/,
  },
  {
    name: 'missing attribute column',
    spoil: csv('items.csv', 'id,title\n1,a\n'),
    expected:
      /items\.csv has no column "year", which inputs\.items\.columns\.year names; its columns are "id", "title"/,
  },
  {
    name: 'missing ratings column',
    spoil: csv('ratings.csv', 'user,item,stars,time\n7,1,5,2024-01-01\n'),
    expected: /ratings\.csv has no column "rating", which inputs\.ratings\.value names/,
  },
  { name: 'no bytes', spoil: csv('items.csv', ''), expected: /inputs\.items: .*items\.csv is empty/ },
  {
    name: 'CSV of a header only',
    spoil: csv('items.csv', 'id,title,year\n'),
    expected: /inputs\.items: .*items\.csv is empty/,
  },
  {
    name: 'ratings of a header only',
    spoil: csv('ratings.csv', 'user,item,rating,time\n'),
    expected: /inputs\.ratings: .*is empty/,
  },
  {
    name: 'Parquet without rows',
    spoil: itemsParquet('select 1 as id where false'),
    expected: /items\.parquet is empty/,
  },
  {
    name: 'duplicate ids',
    spoil: csv('items.csv', `${goodItems}2,Again,2002\n`),
    expected: /the id "2" occurs 2 times in column "id" of .*items\.csv; each item must have one row/,
  },
  {
    name: 'null id in CSV',
    spoil: csv('items.csv', `${goodItems},Nameless,2002\n`),
    expected:
      /inputs\.items\.id: row 4 of .*items\.csv has nothing in column "id", expected the id of an item/,
  },
  {
    name: 'null id in Parquet',
    spoil: itemsParquet('select unnest([1, 2, null]) as id'),
    expected: /row 3 of .*items\.parquet has nothing in column "id"/,
  },
  {
    name: 'null user in the second of two files',
    spoil: (folder) => {
      writeFileSync(
        join(folder, 'ratings2.csv'),
        'user,item,rating,time\n7,1,5,2024-01-01\n,2,5,2024-01-01\n',
      );
      return { ratings: { ...sources(folder).ratings, path: [join(folder, 'ratings*.csv')] } };
    },
    expected:
      /inputs\.ratings\.user: row 2 of .*ratings2\.csv has nothing in column "user", expected the id of a user/,
  },
  {
    name: 'null item',
    spoil: ratingsCsv('7,,5,2024-01-01'),
    expected: /inputs\.ratings\.item: row 1 .* expected the id of an item/,
  },
  {
    name: 'rating that is no number',
    spoil: ratingsCsv('7,1,5,2024-01-01', '7,2,good,2024-01-01'),
    expected: /inputs\.ratings\.value: row 2 of .* has "good" in column "rating", expected a number/,
  },
  {
    name: 'no rating',
    spoil: ratingsCsv('7,1,,2024-01-01'),
    expected: /row 1 of .* has nothing in column "rating"/,
  },
  {
    name: 'infinite rating',
    spoil: ratingsCsv('7,1,inf,2024-01-01'),
    expected: /row 1 of .* has "inf" in column "rating"/,
  },
  {
    name: 'time that is no time',
    spoil: ratingsCsv('7,1,5,2024-01-01', '8,1,5,', '7,2,4,yesterday'),
    expected: /inputs\.ratings\.time: row 3 of .* has "yesterday" in column "time", expected a time/,
  },
  {
    name: 'id of a wrong type',
    spoil: itemsParquet('select 1.5::double as id'),
    expected: /inputs\.items\.id: column "id" of .* has the type DOUBLE, expected text or whole numbers/,
  },
  {
    name: 'attribute of bytes',
    spoil: itemsParquet("select 1 as id, 'a'::blob as title", { title: 'title' }),
    expected: /inputs\.items\.columns\.title: column "title" of .* has the type BLOB .*UTF-8/,
  },
  {
    name: 'rating of a wrong type',
    spoil: async (folder, duck) => {
      const file = join(folder, 'r.parquet');
      await copyTo(duck, file, "select 7 as user, 1 as item, true as rating, 'x' as time");
      return { ratings: { ...sources(folder).ratings, path: [file] } };
    },
    expected: /inputs\.ratings\.value: column "rating" of .* has the type BOOLEAN, expected numbers/,
  },
  {
    name: 'time of a wrong type',
    spoil: async (folder, duck) => {
      const file = join(folder, 'r.parquet');
      await copyTo(duck, file, 'select 7 as user, 1 as item, 3 as rating, true as time');
      return { ratings: { ...sources(folder).ratings, path: [file] } };
    },
    expected: /inputs\.ratings\.time: column "time" of .* has the type BOOLEAN, expected times/,
  },
  {
    name: 'most ratings of unknown items',
    spoil: ratingsCsv('7,1,5,2024-01-01', '7,x1,5,2024-01-01', '7,x2,5,2024-01-01'),
    expected: /2 of 3 ratings in .* are of items that inputs\.items does not have, such as "x1"/,
  },
  {
    name: 'CSV that is not UTF-8',
    spoil: csv('items.csv', Buffer.from('id,title,year\n1,Am\xe9lie,2001\n', 'latin1')),
    expected: /inputs\.items: .*items\.csv.* holds text that is not UTF-8/,
  },
  {
    name: 'CSV header that is not UTF-8',
    spoil: csv('items.csv', Buffer.from('id,title,year,caf\xe9\n1,a,2001,b\n', 'latin1')),
    expected: /inputs\.items: .*items\.csv.* holds text that is not UTF-8/,
  },
  {
    name: 'UTF-16 CSV',
    spoil: csv('items.csv', Buffer.from(`\ufeff${goodItems}`, 'utf16le')),
    expected: /inputs\.items: .*items\.csv.* UTF-8/,
  },
  {
    name: 'Parquet text that is not UTF-8',
    spoil: async (folder, duck) => {
      const file = join(folder, 'items.parquet');
      await copyTo(
        duck,
        file,
        "select 1 as id, 'qqQQqq' as title",
        'format parquet, compression uncompressed',
      );
      const bytes = readFileSync(file).toString('latin1').replaceAll('qqQQqq', 'qq\xff\xfeqq');
      writeFileSync(file, Buffer.from(bytes, 'latin1'));
      return itemsAt(file, { title: 'title' });
    },
    expected: /inputs\.items: .*items\.parquet holds text that is not UTF-8/,
  },
  {
    name: 'truncated Parquet',
    spoil: async (folder, duck) => {
      const file = join(folder, 'items.parquet');
      await copyTo(duck, file, 'select range as id from range(1000)');
      writeFileSync(file, readFileSync(file).subarray(0, 500));
      return itemsAt(file);
    },
    expected: /inputs\.items: .*items\.parquet is a truncated Parquet file/,
  },
  {
    name: 'Parquet with a hole',
    spoil: async (folder, duck) => {
      const file = join(folder, 'items.parquet');
      await copyTo(duck, file, 'select range as id from range(1000)');
      writeFileSync(file, readFileSync(file).fill(0xff, 4, 400));
      return itemsAt(file);
    },
    expected: /inputs\.items: .*items\.parquet could not be read as Parquet/,
  },
  {
    name: 'not Parquet at all',
    spoil: (folder) => {
      writeFileSync(join(folder, 'items.parquet'), goodItems);
      return itemsAt(join(folder, 'items.parquet'));
    },
    expected: /items\.parquet is not a Parquet file/,
  },
  {
    name: 'formats mixed',
    spoil: async (folder, duck) => {
      await copyTo(duck, join(folder, 'items.parquet'), 'select 1 as id');
      return { items: { path: [join(folder, 'items.*')], id: 'id', columns: {} } };
    },
    expected: /inputs\.items\.path names Parquet and CSV files together/,
  },
  {
    name: 'a CSV row with too many fields',
    spoil: csv('items.csv', `${goodItems}4,a,2000,extra\n`),
    expected:
      /inputs\.items: .*items\.csv, line 5 could not be read as CSV: the line has 4 fields, the header 3/,
  },
  {
    name: 'a CSV row with too few fields',
    spoil: csv('items.csv', 'id,title,year\n1,a\n'),
    expected: /items\.csv, line 2 could not be read as CSV: the line has 2 fields, the header 3/,
  },
  {
    name: 'a quote that is never closed',
    spoil: csv('items.csv', 'id,title,year\n1,"a,1999\n2,b,2000\n'),
    expected: /items\.csv, line 2 could not be read as CSV: a quote is never closed/,
  },
  {
    name: 'mixed line ends',
    spoil: csv('items.csv', 'id,title,year\n1,a,1999\r\n2,b,2000\n'),
    expected:
      /items\.csv could not be read as CSV: it is not RFC 4180 \(are there lines that end in LF and others/,
  },
  {
    name: 'a column named twice in a CSV header',
    spoil: csv('items.csv', 'id,title,Title\n1,a,b\n'),
    expected: /inputs\.items: column 3 in the header of .*items\.csv has the name "Title" a second time/,
  },
  {
    name: 'CSV files with different headers',
    spoil: (folder) => {
      writeFileSync(join(folder, 'items2.csv'), 'id,year,title\n4,1999,a\n');
      return itemsAt(join(folder, 'items*.csv'));
    },
    expected:
      /the header of .*items2\.csv differs from that of .*items\.csv; expected .*"id", "title", "year"/,
  },
  {
    name: 'our name of a column taken by the id',
    spoil: (folder) => itemsAt(join(folder, 'items.csv'), { item_key: 'title' }),
    expected: /inputs\.items\.columns\.item_key: the name item_key is taken/,
  },
  {
    name: 'duplicate users',
    spoil: (folder) => {
      writeFileSync(join(folder, 'users.csv'), 'u\n7\n7\n8\n');
      return { users: { path: [join(folder, 'users.csv')], id: 'u', columns: {} } };
    },
    expected: /inputs\.users: the id "7" occurs 2 times .* each user must have one row/,
  },
];

for (const { name, spoil, expected } of bad) {
  test(`refused with exit code 2: ${name}`, () =>
    inFolder(async (folder, duck) => {
      const change = await spoil(folder, duck);
      const error = await openInputs(duck, sources(folder, change ?? {})).then(
        opened,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof DareError)) throw error;
      assert.match(error.message, expected);
      assert.is(error.exitCode, 2);
      assert.ok(error.hint, 'a hint says what to do');
      assert.not.ok(error.message.includes('\n'), 'one sentence');
    }));
}

function opened(inputs: OpenedInputs): never {
  throw new Error(`was not refused: ${JSON.stringify(inputs)}`);
}

test.run();
