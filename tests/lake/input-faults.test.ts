/** Inputs that are refused: one sentence that says what is wrong and where. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import type { Duck } from '../../src/lake/duck.js';
import type { Sources } from '../../src/lake/input-sources.js';
import { type OpenedInputs, openInputs } from '../../src/lake/inputs.js';
import { copyTo, goodItems, inFolder, sources } from './sources.js';

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
const ratingsParquet = (query: string) => async (folder: string, duck: Duck) => {
  const file = join(folder, 'r.parquet');
  await copyTo(duck, file, query);
  return { ratings: { ...sources(folder).ratings, path: [file] } };
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
    spoil: ratingsParquet("select 7 as user, 1 as item, true as rating, 'x' as time"),
    expected: /inputs\.ratings\.value: column "rating" of .* has the type BOOLEAN, expected numbers/,
  },
  {
    name: 'time of a wrong type',
    spoil: ratingsParquet('select 7 as user, 1 as item, 3 as rating, true as time'),
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
    name: 'a line that ends in CR LF, the others in LF',
    spoil: csv('items.csv', 'id,title,year\n1,a,1999\n2,b,2000\r\n3,c,2000\n'),
    expected:
      /inputs\.items: .*items\.csv, line 3 could not be read as CSV: it ends in CR LF, the header in LF/,
  },
  {
    name: 'a line that ends in LF, the others in CR LF, of which one is quoted',
    spoil: csv('items.csv', 'id,title,year\r\n1,"a\n""b""",1999\r\n2,b,2000\n3,c,2000\r\n'),
    expected: /items\.csv, line 4 could not be read as CSV: it ends in LF, the header in CR LF/,
  },
  {
    name: 'a last line that ends in CR, the others in LF, zipped, in the second of two files',
    spoil: (folder) => {
      writeFileSync(join(folder, 'items2.csv.gz'), gzipSync('id,title,year\n4,a,1999\n5,b,2000\r'));
      return itemsAt(join(folder, 'items*.csv*'));
    },
    expected: /items2\.csv\.gz, line 3 could not be read as CSV: it ends in CR, the header in LF/,
  },
  {
    name: 'a gzip file that is cut off behind a whole line',
    spoil: (folder) => {
      // stored, not compressed: what stands before the cut can be read, and ends with a line
      const lines = `${goodItems}${'4,a,1999\n'.repeat(50)}`;
      const zipped = gzipSync(lines, { level: 0 });
      writeFileSync(join(folder, 'cut.csv.gz'), zipped.subarray(0, zipped.length - 8 - 9 * 20));
      return itemsAt(join(folder, 'cut.csv.gz'));
    },
    expected: /inputs\.items: .*cut\.csv\.gz is a truncated gzip file \(its end is missing\)/,
  },
  {
    name: 'a gzip file that is damaged',
    spoil: (folder) => {
      const zipped = gzipSync(goodItems);
      zipped.fill(0xff, 12, 20);
      writeFileSync(join(folder, 'damaged.csv.gz'), zipped);
      return itemsAt(join(folder, 'damaged.csv.gz'));
    },
    expected: /damaged\.csv\.gz is a damaged gzip file: /,
  },
  {
    name: 'a gzip file that is named .csv',
    spoil: (folder) => {
      writeFileSync(join(folder, 'zipped.csv'), gzipSync(goodItems));
      return itemsAt(join(folder, 'zipped.csv'));
    },
    expected: /zipped\.csv is a gzip file, and its name does not say so/,
  },
  {
    name: 'a CSV file that is named .gz',
    spoil: (folder) => {
      writeFileSync(join(folder, 'plain.csv.gz'), goodItems);
      return itemsAt(join(folder, 'plain.csv.gz'));
    },
    expected: /plain\.csv\.gz is no gzip file, though its name says so/,
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
