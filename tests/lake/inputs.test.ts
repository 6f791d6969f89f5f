/** Inputs as they should be: what becomes of them. input-faults.test.ts has those that are refused. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Duck } from '../../src/lake/duck.js';
import { openInputs } from '../../src/lake/inputs.js';
import { copyTo, goodRatings, inFolder, sources } from './sources.js';

async function tables(duck: Duck): Promise<{ items: unknown[]; users: unknown[]; ratings: unknown[] }> {
  return {
    items: await duck.rows('select * from items order by item_id'),
    users: await duck.rows('select * from users order by user_id'),
    ratings: await duck.rows(
      'select user_id, item_id, rating, rated_at::varchar as rated_at from ratings order by user_id, item_id',
    ),
  };
}

test('CSV: attributes as text, ids in their own type, times in UTC', () =>
  inFolder(async (folder, duck) => {
    const opened = await openInputs(duck, sources(folder));
    const { schema, files, ...counts } = opened;
    assert.equal(counts, { warnings: [], itemCount: 3, userCount: 2, ratingCount: 3 });
    const text = { type: 'VARCHAR', empty: 0 };
    const ids = { type: 'BIGINT', empty: 0 };
    assert.equal(schema, {
      'inputs.items': { id: ids, title: text, year: { type: 'VARCHAR', empty: 1 } },
      'inputs.ratings': { user: ids, item: text, rating: text, time: text },
    });
    assert.equal(files, {
      'inputs.items': join(folder, 'items.csv'),
      'inputs.ratings': join(folder, 'ratings.csv'),
    });
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
    const dates = ['20240101', "'20240101'", "date '2024-01-01'", "'2024-01-01'"];
    for (const [n, time] of [...times, ...dates].entries()) {
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
        [
          {
            user_id: 'u',
            item_id: '1',
            rating: 4.5,
            rated_at: `2024-01-01 ${n < times.length ? '12' : '00'}:00:00`,
          },
        ],
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

test.run();
