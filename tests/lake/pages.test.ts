import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import {
  type PageOptions,
  PromptFile,
  type PromptRow,
  promptPages,
  textPages,
} from '../../src/lake/pages.js';
import { errorOf, inFolder } from './temporary.js';

async function write(file: string, select: string): Promise<string> {
  const duck = await Duck.open();
  try {
    await duck.run(`copy (${select}) to $file (format parquet, row_group_size 2048)`, { file });
  } finally {
    duck.close();
  }
  return file;
}

async function all<Row>(pages: AsyncIterable<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of pages) rows.push(...page);
  return rows;
}

const prompts = (file: string, options?: PageOptions): Promise<PromptRow[]> =>
  all(promptPages(file, options));

test('every column of a file of prompts, with nulls and text from all over', () =>
  inFolder(async (root) => {
    const file = await write(
      join(root, 'p.parquet'),
      `select * from (values
        ('a', 'item', '1', 'kar', 'c 1', 'Déjà vu 🎬', 7), ('b', null, null, null, null, e'two\\nlines', 8)
      ) t(prompt_id, entity_type, entity_id, framework, cohort, prompt, more)`,
    );
    const empty = { entityType: null, entityId: null, framework: null, cohort: null, messages: null };
    assert.equal(await prompts(file), [
      {
        ...empty,
        row: 0,
        promptId: 'a',
        entityType: 'item',
        entityId: '1',
        framework: 'kar',
        cohort: 'c 1',
        prompt: 'Déjà vu 🎬',
      },
      { ...empty, row: 1, promptId: 'b', prompt: 'two\nlines' },
    ]);
  }));

test('messages, with fields in any order, and no optional column', () =>
  inFolder(async (root) => {
    const file = await write(
      join(root, 'm.parquet'),
      `select 7::bigint as prompt_id, [{content: 'be brief', name: 1, role: 'system'}, {content: 'hi', name: 2, role: 'user'}] as messages`,
    );
    assert.equal(await prompts(file), [
      {
        row: 0,
        promptId: '7',
        entityType: null,
        entityId: null,
        framework: null,
        cohort: null,
        prompt: null,
        messages: [
          { role: 'system', content: 'be brief' },
          { role: 'user', content: 'hi' },
        ],
      },
    ]);
  }));

for (const pageSize of [1, 7, 1000, 5000, undefined]) {
  test(`pages of ${pageSize ?? 'the default number of'} rows give every row once and in order`, () =>
    inFolder(async (root) => {
      // Ids are in no order of their own, so that only the file's order explains the result.
      const rows = pageSize === 1 ? 40 : 5000;
      const file = await write(
        join(root, 'p.parquet'),
        `select 'k' || (i * 7919 % ${rows}) as prompt_id, 'text ' || i as prompt from range(${rows}) t(i)`,
      );
      const sizes: number[] = [];
      const found: string[] = [];
      for await (const page of promptPages(file, pageSize === undefined ? {} : { pageSize })) {
        sizes.push(page.length);
        found.push(...page.map((row) => `${row.row} ${row.promptId} ${row.prompt}`));
      }
      assert.equal(
        found,
        Array.from({ length: rows }, (_, i) => `${i} k${(i * 7919) % rows} text ${i}`),
      );
      assert.is(Math.max(...sizes), Math.min(pageSize ?? 1024, rows));
      assert.is(sizes.length, Math.ceil(rows / (pageSize ?? 1024)));
    }));
}

test('the number of rows is known before the first page; temporary data is gone after the last', () =>
  inFolder(async (root) => {
    const temporary = join(root, 'temporary');
    mkdirSync(temporary);
    const file = await write(
      join(root, 'p.parquet'),
      `select 'k' || i as prompt_id, 'x' as prompt from range(10) t(i)`,
    );
    const opened = await PromptFile.open(file, { temporary });
    assert.is(opened.rows, 10);
    assert.is((await all(opened.pages())).length, 10);
    opened.close();
    for await (const _ of promptPages(file, { temporary, pageSize: 2 })) break;
    await errorOf(() => PromptFile.open(join(root, 'missing.parquet'), { temporary }));
    assert.equal(readdirSync(temporary), []);
  }));

test('the length of the longest prompt is known where the file says what they are', () =>
  inFolder(async (root) => {
    const cases = [
      ['', undefined],
      [', i::integer as prompt_tokens', 9],
      [', nullif(i, 9) as prompt_tokens', 8],
      [', null::integer as prompt_tokens', undefined],
      // a column of the user's own
      [", 'many' as prompt_tokens", undefined],
    ] as const;
    for (const [column, longest] of cases) {
      const select = `select 'k' || i as prompt_id, 'x' as prompt${column} from range(10) t(i)`;
      const opened = await PromptFile.open(await write(join(root, 'p.parquet'), select));
      assert.is(opened.longest, longest, column);
      opened.close();
    }
  }));

test('an empty file of prompts has no pages', () =>
  inFolder(async (root) => {
    const file = await write(join(root, 'p.parquet'), `select 'a' as prompt_id, 'x' as prompt where false`);
    assert.equal(await prompts(file), []);
  }));

test('a row without a prompt is passed on with its problem', () =>
  inFolder(async (root) => {
    const text = await write(
      join(root, 'p.parquet'),
      `select * from (values ('a', null), ('b', ''), ('c', e' \\n'), ('d', 'fine')) t(prompt_id, prompt)`,
    );
    assert.equal(
      (await prompts(text)).map(({ promptId, prompt, problem }) => [promptId, prompt, problem]),
      [
        ['a', null, 'prompt is null'],
        ['b', null, 'prompt is empty'],
        ['c', null, 'prompt is empty'],
        ['d', 'fine', undefined],
      ],
    );
    const chat = await write(
      join(root, 'm.parquet'),
      `select * from (values ('a', null), ('b', []), ('c', [{role: 'user', content: 'x'}, {role: null, content: 'y'}]),
        ('d', [{role: 'user', content: null}]), ('e', [null]), ('f', [{role: 'user', content: 'x'}])) t(prompt_id, messages)`,
    );
    assert.equal(
      (await prompts(chat)).map(({ messages, problem }) => [messages?.length, problem]),
      [
        [undefined, 'messages is null'],
        [undefined, 'messages is empty'],
        [undefined, 'message 2 has no role or no content'],
        [undefined, 'message 1 has no role or no content'],
        [undefined, 'message 1 has no role or no content'],
        [1, undefined],
      ],
    );
  }));

for (const [what, select, message] of [
  ['no prompt_id', `select 1 as id, 'x' as prompt`, 'has no column prompt_id (found: id, prompt)'],
  [
    'neither prompt nor messages',
    `select 'a' as prompt_id, 1 as "Other"`,
    'has neither a column prompt nor messages (found: prompt_id, other)',
  ],
  [
    'both',
    `select 'a' as prompt_id, 'x' as prompt, [{role: 'user', content: 'x'}] as messages`,
    'has both columns prompt and messages',
  ],
  [
    'a prompt that is a number',
    `select 'a' as prompt_id, 1 as prompt`,
    'the column prompt is INTEGER, expected VARCHAR (UTF-8 text)',
  ],
  [
    'bytes for text',
    `select 'a' as prompt_id, '\\xff'::blob as prompt`,
    'the column prompt is BLOB, expected VARCHAR (UTF-8 text)',
  ],
  [
    'messages of text',
    `select 'a' as prompt_id, ['x'] as messages`,
    'the column messages is VARCHAR[], expected a LIST of STRUCT(role VARCHAR, content VARCHAR)',
  ],
  [
    'messages without a role',
    `select 'a' as prompt_id, [{content: 'x'}] as messages`,
    'expected a LIST of STRUCT(role VARCHAR, content VARCHAR)',
  ],
  [
    'a list of ids',
    `select ['a'] as prompt_id, 'x' as prompt`,
    'the column prompt_id is VARCHAR[], expected text or a whole number',
  ],
  [
    'a cohort that is a struct',
    `select 'a' as prompt_id, 'x' as prompt, {a: 1} as cohort`,
    'the column cohort is STRUCT(a INTEGER), expected text or a whole number',
  ],
  [
    'a null id',
    `select case when i = 3 then null else 'k' || i end as prompt_id, 'x' as prompt from range(9) t(i)`,
    'prompt_id is null in row 4',
  ],
  [
    'a duplicate id',
    `select 'k' || case when i = 7 then 2 else i end as prompt_id, 'x' as prompt from range(9) t(i)`,
    'the prompt_id "k2" stands in rows 3 and 8',
  ],
] as const) {
  test(`a file of prompts with ${what} is refused`, () =>
    inFolder(async (root) => {
      const file = await write(join(root, 'p.parquet'), select);
      const error = await errorOf(() => prompts(file));
      assert.is(error.exitCode, 2);
      assert.ok(error.message.includes(file), error.message);
      assert.ok(error.message.includes(message), error.message);
    }));
}

test('the first duplicate among many is found with little memory', () =>
  inFolder(async (root) => {
    const file = await write(
      join(root, 'p.parquet'),
      `select 'a rather long prefix of an id ' || case when i = 299999 then 5 else i end as prompt_id, 'x' as prompt from range(300000) t(i)`,
    );
    const error = await errorOf(() => prompts(file, { memoryLimit: '64MB', threads: 1 }));
    assert.ok(error.message.includes('of an id 5" stands in rows 6 and 300000'), error.message);
  }));

for (const [what, damage] of [
  ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
  ['empty', () => Buffer.alloc(0)],
  ['something else', () => Buffer.from('prompt_id,prompt\na,b\n')],
] as const) {
  test(`a Parquet file that is ${what} is refused`, () =>
    inFolder(async (root) => {
      const file = await write(
        join(root, 'p.parquet'),
        `select 'a' as prompt_id, 'x' as prompt, 'y' as text`,
      );
      writeFileSync(file, damage(readFileSync(file)));
      for (const read of [() => prompts(file), () => all(textPages(file))]) {
        const error = await errorOf(read);
        assert.is(error.exitCode, 2);
        assert.ok(error.message.startsWith(`${file} can't be read as Parquet: `), error.message);
        assert.not.match(error.message, /\n/);
      }
    }));
}

test('a missing file is refused, a folder too', () =>
  inFolder(async (root) => {
    for (const file of [join(root, 'missing.parquet'), root]) {
      const error = await errorOf(() => prompts(file));
      assert.is(error.exitCode, 2);
      assert.ok(error.message.startsWith(file), error.message);
    }
    const error = await errorOf(() => all(textPages(join(root, '*.parquet'))));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /there is no such file/);
  }));

test('a file that shrinks while it is read is an error, not an early end', () =>
  inFolder(async (root) => {
    const file = await write(
      join(root, 'p.parquet'),
      `select 'k' || i as prompt_id, 'x' as prompt from range(100) t(i)`,
    );
    const error = await errorOf(async () => {
      for await (const _ of promptPages(file, { pageSize: 60 })) {
        await write(file, `select 'k' || i as prompt_id, 'x' as prompt from range(70) t(i)`);
      }
    });
    assert.is(error.exitCode, 1);
    assert.match(error.message, /10 rows were read where 40 were expected \(rows 61 to 100\)/);
  }));

test('texts of several files come in one order, whatever the order of rows and the threads', () =>
  inFolder(async (root) => {
    const half = (rest: number, order: string) =>
      `select 'k' || lpad(i::varchar, 4, '0') as prompt_id, 'text ' || i as text, 'c' || (i % 3) as cohort,
        case when i % 2 = 0 then 'item' else 'user' end as entity_type, i::varchar as entity_id
       from range(3000) t(i) where i % 2 = ${rest} order by ${order}`;
    await write(join(root, 'a.parquet'), half(0, 'i'));
    await write(join(root, 'b.parquet'), half(1, 'i desc'));
    const one = await all(textPages(join(root, '*.parquet'), { pageSize: 700 }));
    const ids = one.map((row) => `${row.entityType} ${row.cohort} ${row.promptId}`);
    assert.is(ids.length, 3000);
    assert.equal(ids, [...ids].sort());
    await write(join(root, 'a.parquet'), half(1, `md5(i::varchar)`));
    await write(join(root, 'b.parquet'), half(0, `md5(i::varchar)`));
    const files = [join(root, 'b.parquet'), join(root, 'a.parquet')];
    assert.equal(await all(textPages(files, { threads: 1 })), one);
  }));

test('texts without a text or with an error are left out; other columns may be missing', () =>
  inFolder(async (root) => {
    const none = { entityType: null, entityId: null, cohort: null, promptId: null };
    const bare = await write(
      join(root, 'a.parquet'),
      `select * from (values ('z'), (null), (''), ('a')) t(text)`,
    );
    // Without ids the order of the file stands.
    assert.equal(await all(textPages(bare)), [
      { ...none, text: 'z' },
      { ...none, text: 'a' },
    ]);
    await write(
      join(root, 'b.parquet'),
      `select * from (values (3, 'good', null), (4, 'bad', 'too long')) t(prompt_id, text, error)`,
    );
    assert.equal(
      (await all(textPages([join(root, '*.parquet')]))).map(({ text, promptId }) => [text, promptId]),
      [
        ['z', null],
        ['a', null],
        ['good', '3'],
      ],
    );
    const empty = await write(join(root, 'c.parquet'), `select 'x' as text where false`);
    assert.equal(await all(textPages(empty)), []);
    assert.equal(await all(textPages([])), []);
  }));

for (const [what, select, message] of [
  ['no text', `select 1 as a, 2 as b`, 'has no column text (found: a, b)'],
  ['a number for text', `select 1 as text`, 'the column text is INTEGER, expected VARCHAR (UTF-8 text)'],
  ['a list of cohorts', `select 'x' as text, ['c'] as cohort`, 'the column cohort is VARCHAR[]'],
] as const) {
  test(`texts with ${what} are refused`, () =>
    inFolder(async (root) => {
      const error = await errorOf(async () => all(textPages(await write(join(root, 't.parquet'), select))));
      assert.is(error.exitCode, 2);
      assert.ok(error.message.includes(message), error.message);
    }));
}

test.run();
