/** Inputs that change from one run to the next, or under a stage's hands. */
import { copyFileSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prompts } from '../../pipeline/prompts.js';
import { segment } from '../../pipeline/segment.js';
import type { Progress, StageContext, StageResult } from '../../src/stage.js';
import {
  assertUntouched,
  bytesBelow,
  contextIn,
  errorOf,
  inFolder,
  readTable,
  writeTable,
} from '../prompts/fixture.js';

type Row = Record<string, unknown>;

const itemColumns = { id: 'BIGINT', title: 'VARCHAR', genre: 'VARCHAR' };
const ratingColumns = { user: 'BIGINT', item: 'BIGINT', value: 'DOUBLE', time: 'TIMESTAMP' };
const items: Row[] = [1, 2, 3].map((id) => ({
  id,
  title: `Film ${id}`,
  genre: id === 1 ? 'Drama' : 'Comedy',
}));
const ratings: Row[] = [1, 2, 3].flatMap((user) =>
  [1, 2, 3].map((item) => ({ user, item, value: 1 + ((user + item) % 5), time: '2024-01-01' })),
);

/** Writes both inputs as Parquet and gives the stage's context for them. */
async function inputsIn(
  folder: string,
  changes: { items?: Row[]; itemColumns?: object; ratings?: Row[]; ratingColumns?: object } = {},
): Promise<StageContext> {
  await writeTable(
    join(folder, 'items.parquet'),
    { ...itemColumns, ...changes.itemColumns },
    changes.items ?? items,
  );
  const columns = { ...ratingColumns, ...changes.ratingColumns };
  await writeTable(join(folder, 'ratings.parquet'), columns, changes.ratings ?? ratings);
  return contextIn(folder, {
    inputs: {
      items: { path: join(folder, 'items.parquet'), id: 'id', columns: { title: 'title', genre: 'genre' } },
      ratings: {
        path: join(folder, 'rating*.parquet'),
        user: 'user',
        item: 'item',
        value: 'value',
        time: 'time',
      },
    },
    prompts: { frameworks: ['once'], templates: templatesIn(folder) },
  });
}

function templatesIn(folder: string): string {
  writeFileSync(join(folder, 'once-item.txt'), 'What is {title!}?');
  writeFileSync(join(folder, 'once-user.txt'), 'Who likes {liked!}?');
  writeFileSync(join(folder, 'history-entry.txt'), '{title!}');
  return folder;
}

test('a new column, and other values, are fine', () =>
  inFolder(async (folder) => {
    await segment(await inputsIn(folder));
    const more = items.map((row) => ({ ...row, extra: 1, title: `${row.title}!` }));
    const { warnings } = await segment(
      await inputsIn(folder, { items: more, itemColumns: { extra: 'INTEGER' } }),
    );
    assert.not.match(warnings.join(), /column/);
  }));

const typeChanges = [
  {
    change: { itemColumns: { title: 'INTEGER' }, items: items.map((row) => ({ ...row, title: 7 })) },
    says: /^inputs\.items: column "title" of \S+items\.parquet has the type INTEGER, it was VARCHAR in partition p$/,
  },
  {
    change: { ratingColumns: { value: 'INTEGER', user: 'VARCHAR' } },
    says: /^inputs\.ratings: column "user" of \S+ratings\.parquet has the type VARCHAR, it was BIGINT; inputs\.ratings: column "value" .* INTEGER, it was DOUBLE/,
  },
] as const;
for (const { change, says } of typeChanges) {
  test(`a changed type is refused and can be accepted: ${Object.keys(Object.values(change)[0] ?? {}).join()}`, () =>
    inFolder(async (folder) => {
      const lake = join(folder, 'lake');
      const first = await inputsIn(folder);
      for (const stage of [segment, prompts]) await stage(first);
      const before = bytesBelow(lake);
      const context = await inputsIn(folder, change as Parameters<typeof inputsIn>[1]);
      const later = { ...context, partition: 'q' };
      for (const stage of [segment, prompts, () => segment(later)] as ((
        of: StageContext,
      ) => Promise<StageResult>)[]) {
        const error = await errorOf(() => stage(context));
        assert.is(error.exitCode, 2);
        assert.match(error.message, says);
        assert.match(error.hint ?? '', /dare segment --accept-types/);
      }
      assertUntouched(lake, before);
      await segment(context, { acceptTypes: true });
      await segment(context);
      await prompts(context);
    }));
}

test('CSV: ids that are whole numbers no longer are refused', () =>
  inFolder(async (folder) => {
    const write = (user: string) => {
      writeFileSync(join(folder, 'items.csv'), 'id,genre\n1,a\n2,b\n');
      writeFileSync(join(folder, 'ratings.csv'), `user,item,value,time\n7,1,5,\n${user},2,5,\n`);
      const columns = { user: 'user', item: 'item', value: 'value', time: 'time' };
      return contextIn(folder, {
        inputs: {
          items: { path: join(folder, 'items.csv'), id: 'id', columns: { genre: 'genre' } },
          ratings: { path: join(folder, 'ratings.csv'), ...columns },
        },
      });
    };
    await segment(write('8'));
    const error = await errorOf(() => segment(write('x8')));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /column "user" of \S+ratings\.csv has the type VARCHAR, it was BIGINT/);
  }));

test('values that are missing where none were are counted, once', () =>
  inFolder(async (folder) => {
    await segment(await inputsIn(folder));
    const untitled = items.map((row, n) => (n < 2 ? { ...row, title: null } : row));
    const untimed = ratings.map((row, n) => (n === 0 ? { ...row, time: null } : row));
    const context = await inputsIn(folder, { items: untitled, ratings: untimed });
    const { warnings } = await segment({ ...context, partition: 'q' });
    assert.match(
      warnings.join('\n'),
      /inputs\.items: 2 rows of \S+items\.parquet have nothing in column "title", which no row lacked in partition p/,
    );
    assert.match(warnings.join('\n'), /inputs\.ratings: 1 rows of \S+ have nothing in column "time"/);
    assert.not.match((await segment({ ...context, partition: 'r' })).warnings.join(), /nothing in column/);
  }));

test('an input that is replaced while a stage reads it: exit code 1, and the earlier table stays', () =>
  inFolder(async (folder) => {
    const first = await inputsIn(folder);
    for (const stage of [segment, prompts]) await stage(first);
    const lake = join(folder, 'lake');
    const before = bytesBelow(lake);
    const file = join(folder, 'ratings.parquet');
    // another file of the same size and time takes its place, as a copying job would do it
    const replace = () => {
      copyFileSync(file, `${file}.new`);
      const { atime, mtime } = statSync(file);
      utimesSync(`${file}.new`, atime, mtime);
      renameSync(`${file}.new`, file);
    };
    const during = (word: string): StageContext => {
      let done = false;
      const once = (text: string) => {
        if (done || text !== word) return;
        done = true;
        replace();
      };
      const progress = Object.assign(Object.create(first.progress) as Progress, { note: once, start: once });
      return { ...first, progress };
    };
    for (const [stage, word] of [
      [segment, 'users'],
      [prompts, 'prompts'],
    ] as const) {
      const error = await errorOf(() => stage(during(word)));
      assert.is(error.exitCode, 1, error.message);
      assert.match(
        error.message,
        /ratings\.parquet was changed or replaced while it was read; nothing was written/,
      );
      assert.match(error.hint ?? '', /^Run again/);
      assertUntouched(lake, before);
    }
    await segment(first);
  }));

test('of several Parquet files the broken one is named, and the earlier tables stay', () =>
  inFolder(async (folder) => {
    const context = await inputsIn(folder);
    for (const stage of [segment, prompts]) await stage(context);
    const lake = join(folder, 'lake');
    const before = bytesBelow(lake);
    const many = Array.from({ length: 5000 }, (_, n) => ({
      ...(ratings[0] as Row),
      value: n % 5,
      time: '2024-02-02',
    }));
    const second = join(folder, 'ratings-2.parquet');
    await writeTable(second, ratingColumns, many);
    const whole = readFileSync(second);
    for (const spoiled of [whole.subarray(0, whole.length / 2), Buffer.from(whole).fill(0xff, 4, 60)]) {
      writeFileSync(second, spoiled);
      for (const stage of [segment, prompts] as ((of: StageContext) => Promise<StageResult>)[]) {
        const error = await errorOf(() => stage(context));
        assert.is(error.exitCode, 2, error.message);
        assert.match(error.message, /ratings-2\.parquet/);
      }
      assertUntouched(lake, before);
    }
    assert.is((await readTable(join(folder, 'lake/cohorts/partition=p/cohorts.parquet'))).length, 6);
  }));

test.run();
