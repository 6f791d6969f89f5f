/** Texts for pools: which are found, in which order, and what their fingerprints tell apart. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PoolTexts, type TextRules } from '../../src/lake/pool-texts.js';
import { writeTable } from '../prompts/fixture.js';
import { errorOf, inFolder } from './temporary.js';

const columns = {
  prompt_id: 'VARCHAR',
  entity_type: 'VARCHAR',
  cohort: 'VARCHAR',
  text: 'VARCHAR',
  finish_reason: 'VARCHAR',
  error: 'VARCHAR',
};
type Row = Partial<Record<keyof typeof columns, string | null>>;

const everything: TextRules = { keep: 'recent', exclude: [] };

async function write(folder: string, name: string, rows: readonly Row[]): Promise<string> {
  const file = join(folder, name);
  await writeTable(file, columns, rows);
  return file;
}

async function withTexts<Result>(
  files: readonly string[],
  rules: TextRules,
  use: (texts: PoolTexts) => Promise<Result>,
): Promise<Result> {
  const texts = await PoolTexts.open(files, rules, new AbortController().signal);
  try {
    return await use(texts);
  } finally {
    texts.close();
  }
}

/** The texts of each group in their order; a text that was cut off ends in a bar. */
function read(files: readonly string[], rules: TextRules = everything): Promise<Record<string, string[]>> {
  return withTexts(files, rules, async (texts) => {
    await texts.arrange();
    const found: Record<string, string[]> = {};
    for (const [i, { entityType, cohort }] of texts.groups.entries()) {
      const list: string[] = [];
      for await (const page of texts.pages(i))
        list.push(...page.map(({ text, complete }) => (complete ? text : `${text}|`)));
      found[`${entityType} ${cohort}`] = list;
    }
    return found;
  });
}

const fingerprints = (files: readonly string[], rules: TextRules = everything) =>
  withTexts(files, rules, async (texts) =>
    Object.fromEntries(
      texts.groups.map((group) => [`${group.entityType} ${group.cohort}`, group.fingerprint]),
    ),
  );

const sorted = (found: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(found).map(([key, list]) => [key, [...list].sort()]));

test('failed and empty texts are left out; a text that was cut off is known as such', () =>
  inFolder(async (folder) => {
    const row = { entity_type: 'item', cohort: 'c' };
    const file = await write(folder, 't.parquet', [
      { ...row, prompt_id: 'a', text: 'stopped', finish_reason: 'stop' },
      { ...row, prompt_id: 'b', text: 'cut', finish_reason: 'length' },
      { ...row, prompt_id: 'c', text: 'unknown' },
      { ...row, prompt_id: 'd', text: 'failed', error: 'too long' },
      { ...row, prompt_id: 'e', text: 'failed', finish_reason: 'error' },
      { ...row, prompt_id: 'f', text: ' \n' },
      { ...row, prompt_id: 'g', text: '' },
      { ...row, prompt_id: 'h' },
      { prompt_id: 'i', text: 'of nobody' },
      { prompt_id: 'j', text: 'of an item', entity_type: 'item' },
    ]);
    assert.equal(sorted(await read([file])), {
      'null null': ['of nobody'],
      'item null': ['of an item'],
      'item c': ['cut|', 'stopped', 'unknown'],
    });
  }));

test('of a prompt the newest text counts, wherever it stands; texts without an id all do', () =>
  inFolder(async (folder) => {
    const old = await write(folder, 'z.parquet', [
      { prompt_id: 'a', entity_type: 'item', cohort: 'one', text: 'old a' },
      { prompt_id: 'b', entity_type: 'item', cohort: 'one', text: 'old b' },
      { prompt_id: 'c', entity_type: 'item', cohort: 'one', text: 'old c' },
      { cohort: 'one', text: 'no id' },
      { cohort: 'one', text: 'no id' },
    ]);
    const now = await write(folder, 'a.parquet', [
      { prompt_id: 'a', entity_type: 'item', cohort: 'two', text: 'new a' },
      { prompt_id: 'b', entity_type: 'item', cohort: 'one', text: 'failed', error: 'why' },
      { prompt_id: 'd', entity_type: 'item', cohort: 'one', text: 'first d' },
      { prompt_id: 'd', entity_type: 'item', cohort: 'one', text: 'second d' },
    ]);
    const expected = await read([old, now]);
    const d = expected['item one']?.find((text) => text.endsWith('d')) as string;
    assert.equal(sorted(expected), {
      'null one': ['no id', 'no id'],
      'item one': [d, 'old b', 'old c'].sort(),
      'item two': ['new a'],
    });
    await withTexts([old, now], everything, async ({ texts, superseded }) =>
      assert.equal([texts, superseded], [6, 2]),
    );
    // the list's order says what is newer; one glob's files go by name
    assert.ok((await read([now, old]))['item one']?.includes('old a'));
    assert.ok((await read([join(folder, '*.parquet')]))['item one']?.includes('old a'));
  }));

test('the newest first, the others by chance, and always the same', () =>
  inFolder(async (folder) => {
    const rowsOf = (day: number) =>
      Array.from({ length: 20 }, (_, i) => ({
        prompt_id: `${day}-${i}`,
        cohort: 'c',
        text: `${day} ${10 + i}`,
      }));
    const days = [0, 1, 2];
    const files = await Promise.all(days.map((day) => write(folder, `${day}.parquet`, rowsOf(day))));
    const capped = { ...everything, maxTokens: 1000 };
    const recent = (await read(files, capped))['null c'] as string[];
    assert.equal(
      recent.map((text) => text[0]).join(''),
      [2, 1, 0].map((day) => `${day}`.repeat(20)).join(''),
    );
    const random = (await read(files, { ...capped, keep: 'random' }))['null c'] as string[];
    assert.equal([...random].sort(), [...recent].sort());
    assert.ok(random.slice(0, 20).some((text) => !text.startsWith('2')));
    await Promise.all(days.map((day) => write(folder, `${day}.parquet`, rowsOf(day).reverse())));
    assert.equal((await read(files, capped))['null c'], recent);
    assert.equal((await read(files, { ...capped, keep: 'random' }))['null c'], random);
    // no more than 32 bytes for each token that can be kept, and the text that goes beyond
    assert.is((await read(files, { ...capped, maxTokens: 1 }))['null c']?.length, 9);
    assert.is((await read(files, { ...capped, maxTokens: 1, keep: 'frequent' }))['null c']?.length, 60);
  }));

const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    prompt_id: `p${i}`,
    entity_type: 'item',
    cohort: `${i % 3}`,
    text: `text ${i}`,
    finish_reason: 'stop',
  }));

test('a fingerprint tells texts apart, not the order of rows; of other cohorts it knows nothing', () =>
  inFolder(async (folder) => {
    const rows = rowsOf(30);
    const changed = async (name: string, change: (row: Row) => Row, from = rows) =>
      await fingerprints([
        await write(
          folder,
          `${name}.parquet`,
          from.map((row, i) => (i === 4 ? change(row) : row)),
        ),
      ]);
    const before = await changed('same', (row) => row);
    assert.equal(await changed('reversed', (row) => row, rows), before);
    assert.equal(await fingerprints([await write(folder, 'back.parquet', [...rows].reverse())]), before);
    for (const [name, change] of [
      ['text', { text: 'another' }],
      ['cut', { finish_reason: 'length' }],
      ['failed', { error: 'why' }],
    ] as const) {
      const after = await changed(name, (row) => ({ ...row, ...change }));
      assert.is.not(after['item 1'], before['item 1'], name);
      assert.equal([after['item 0'], after['item 2']], [before['item 0'], before['item 2']], name);
    }
    // two equal texts more: xor alone would not see them
    const pair = { entity_type: 'item', cohort: '1', text: 'twice' };
    const more = await fingerprints([await write(folder, 'more.parquet', [...rows, pair, pair])]);
    assert.is.not(more['item 1'], before['item 1']);
  }));

test('age counts where the newest texts are kept, as an order within the cohort', () =>
  inFolder(async (folder) => {
    const rows = rowsOf(30);
    const [first, second] = [await write(folder, '1.parquet', rows), join(folder, '2.parquet')];
    await write(folder, '2.parquet', rows);
    const capped = { ...everything, maxTokens: 1000 };
    // all of them once more in a newer file: nothing has changed
    assert.equal(await fingerprints([first, second], capped), await fingerprints([first], capped));
    await write(folder, '2.parquet', [rows[1] as Row]);
    const after = await fingerprints([first, second], capped);
    const before = await fingerprints([first], capped);
    assert.is.not(after['item 1'], before['item 1']);
    assert.is(after['item 0'], before['item 0']);
    assert.equal(await fingerprints([first, second]), await fingerprints([first]));
  }));

const excluded: readonly [pattern: string, left: readonly string[]][] = [
  ['[\\w.+-]+@[\\w-]+\\.\\w+', ['user 12', 'Ärger\nmit @', 'plain', "o'clock"]],
  ['\\d{2}', ['mail a.b@c.de', 'Ärger\nmit @', 'plain', "o'clock"]],
  ['^plain$', ['mail a.b@c.de', 'user 12', 'Ärger\nmit @', "o'clock"]],
  ['^mit', ['mail a.b@c.de', 'user 12', 'Ärger\nmit @', 'plain', "o'clock"]],
  ['(?m)^mit', ['mail a.b@c.de', 'user 12', 'plain', "o'clock"]],
  ['(?i)ä', ['mail a.b@c.de', 'user 12', 'plain', "o'clock"]],
  ['\\p{Lu}', ['mail a.b@c.de', 'user 12', 'plain', "o'clock"]],
  ["'", ['mail a.b@c.de', 'user 12', 'Ärger\nmit @', 'plain']],
];

test('texts that a pattern matches are kept out, and counted', () =>
  inFolder(async (folder) => {
    const texts = ['mail a.b@c.de', 'user 12', 'Ärger\nmit @', 'plain', "o'clock"];
    const file = await write(
      folder,
      't.parquet',
      texts.map((text, i) => ({ prompt_id: `${i}`, cohort: 'c', text })),
    );
    for (const [pattern, left] of excluded) {
      const rules = { ...everything, exclude: [pattern] };
      assert.equal((await read([file], rules))['null c']?.sort(), [...left].sort(), pattern);
      await withTexts([file], rules, async (found) =>
        assert.is(found.excluded, texts.length - left.length, pattern),
      );
    }
    const several = { ...everything, exclude: ['(?i)PLAIN', 'MAIL', 'user|nobody'] };
    assert.equal(
      (await read([file], several))['null c']?.sort(),
      ['mail a.b@c.de', "o'clock", 'Ärger\nmit @'].sort(),
    );
    const none = await read([file], { ...everything, exclude: ['(?s).'] });
    assert.equal(none, {});
  }));

test('the newest text of a prompt is looked at: an older one does not come in its place', () =>
  inFolder(async (folder) => {
    const old = await write(folder, '1.parquet', [{ prompt_id: 'a', cohort: 'c', text: 'clean' }]);
    const now = await write(folder, '2.parquet', [{ prompt_id: 'a', cohort: 'c', text: 'id 12' }]);
    assert.equal(await read([old, now], { ...everything, exclude: ['\\d'] }), {});
  }));

for (const [pattern, reason] of [
  ['(', 'missing )'],
  ['a)(b', 'unexpected )'],
  ['a)(?:b', 'unexpected )'],
  ['\\Qopen', 'missing )'],
  ['(?=ahead)', 'invalid perl operator'],
  ['[', 'missing ]'],
  ['*', 'no argument for repetition operator'],
] as const) {
  test(`the pattern ${pattern} is refused`, async () => {
    const rules = { ...everything, exclude: ['fine', pattern] };
    const error = await errorOf(() => withTexts(['missing.parquet'], rules, async () => undefined));
    assert.is(error.exitCode, 2);
    assert.ok(error.message.startsWith(`pools.exclude[1]: is ${JSON.stringify(pattern)}; `), error.message);
    assert.ok(error.message.includes(reason), error.message);
  });
}

test('names of cohorts are values, whatever is in them', () =>
  inFolder(async (folder) => {
    const names = ["o'neil", '"; drop table found; --', '../../etc', 'two\nlines', '', 'äöü', 'null'];
    mkdirSync(join(folder, "it's"));
    const file = await write(
      join(folder, "it's"),
      'partition=x.parquet',
      names.map((cohort, i) => ({ prompt_id: `${i}`, entity_type: "a'b", cohort, text: `of ${cohort}` })),
    );
    const found = await read([file]);
    assert.equal(
      Object.entries(found).sort(),
      names.map((cohort) => [`a'b ${cohort}`, [`of ${cohort}`]] as [string, string[]]).sort(),
    );
  }));

test('more texts than a page and a row group hold, in groups of any size', () =>
  inFolder(async (folder) => {
    const rows = Array.from({ length: 7000 }, (_, i) => ({
      prompt_id: `${i}`,
      cohort: i < 5000 ? 'large' : `${i % 40}`,
      text: `text number ${i}`,
    }));
    const file = await write(folder, 't.parquet', rows);
    const found = await read([file]);
    for (const [key, list] of Object.entries(found)) {
      const cohort = key.replace('null ', '');
      const expected = rows.filter((row) => row.cohort === cohort).map(({ text }) => text);
      assert.equal([...list].sort(), expected.sort(), key);
    }
    assert.is(Object.values(found).flat().length, 7000);
  }));

test('missing files and foreign ones are refused', () =>
  inFolder(async (folder) => {
    const missing = await errorOf(() => read([join(folder, '*.parquet')]));
    assert.is(missing.exitCode, 2);
    assert.match(missing.message, /there is no such file/);
    const foreign = join(folder, 'f.parquet');
    await writeTable(foreign, { text: 'VARCHAR', finish_reason: 'VARCHAR[]' }, []);
    const error = await errorOf(() => read([foreign]));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /the column finish_reason is VARCHAR\[\]/);
  }));

test.run();
