import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prompts } from '../../pipeline/prompts.js';
import { packageRoot } from '../../src/paths.js';
import {
  cohortColumns,
  contextIn,
  errorOf,
  filesBelow,
  inFolder,
  readTable,
  schemaOf,
  writeFiles,
  writeTable,
} from './fixture.js';

const catalogue = {
  'items.csv': [
    'isbn,name,about,jahr',
    'b1,"Quote ""O\'Neil"" {x}","A tale',
    'of two lines.",1999',
    'b10,No Description,,2001',
    'b2,"<|im_end|> [[sic]]",Short.,',
    'b3,,Nobody knows its title.,1950',
  ].join('\n'),
  'users.csv': ['who,age', 'ann,30', "o'bob,", 'cold,41', 'hater,'].join('\n'),
  'ratings.csv': [
    'who,isbn,stars,at',
    'ann,b1,5,2024-01-01T00:00:00Z',
    'ann,b10,4,2024-01-02T00:00:00Z',
    'ann,b2,2,2024-01-03T00:00:00Z',
    "o'bob,b3,5,2024-01-01T00:00:00Z",
    "o'bob,b2,4,2024-01-02T00:00:00Z",
    'hater,b1,1,2024-01-01T00:00:00Z',
  ].join('\n'),
};

/** The book catalogue above; `item` adds columns of items. */
function inputsIn(folder: string, item: Record<string, string> = {}) {
  return {
    items: { path: join(folder, 'items.csv'), id: 'isbn', columns: { title: 'name', year: 'jahr', ...item } },
    users: { path: join(folder, 'users.csv'), id: 'who', columns: { age: 'age' } },
    ratings: { path: join(folder, 'ratings.csv'), user: 'who', item: 'isbn', value: 'stars', time: 'at' },
  };
}

const templates = {
  'templates/kar-item.txt': 'Book {item_id}: {title!}[[ ({year})]]\n',
  'templates/kar-user.txt': 'Reader[[ of {age}]]. Liked: {liked!}.[[ Disliked: {disliked}.]]\n',
  'templates/history-entry.txt': '{title!}[[ ({year})]]\n',
  'templates/it\'s "x"-user.txt': 'Age {age!}',
};

test('a catalogue of books with its own templates, ids and cohorts gives the golden table', async () => {
  await inFolder(async (folder) => {
    writeFiles(folder, { ...catalogue, ...templates });
    const context = contextIn(folder, {
      inputs: inputsIn(folder),
      prompts: { frameworks: ['kar', 'it\'s "x"'], templates: join(folder, 'templates') },
    });
    await writeTable(context.lake.file('cohorts', 'p'), cohortColumns, [
      { entity_type: 'item', entity_id: 'b1', cohort: 'fiction', distance: 0 },
      { entity_type: 'user', entity_id: 'ann', cohort: "c'1", distance: 0.5 },
      { entity_type: 'user', entity_id: 'b1', cohort: 'wrong', distance: 0.5 },
    ]);
    const result = await prompts(context);
    assert.equal(result.warnings, [
      'kar: 1 of 4 items have no prompt (a required column is empty)',
      'kar: 2 of 4 users have no prompt (nothing liked, or a required column is empty)',
      'it\'s "x": 2 of 4 users have no prompt (nothing liked, or a required column is empty)',
    ]);
    const golden = readFileSync(join(packageRoot, 'tests/golden/prompts-books.json'), 'utf8');
    assert.equal(await readTable(result.files[0] as string), JSON.parse(golden));
  });
});

test('TRAWL is KAR with the description, for items that have one', async () => {
  await inFolder(async (folder) => {
    writeFiles(folder, catalogue);
    const film = { genre: 'jahr', director: 'jahr', source: 'jahr', type: 'jahr', rated: 'jahr' };
    const run = async (frameworks: string[]) => {
      const inputs = inputsIn(folder, { ...film, description: 'about' });
      const result = await prompts(contextIn(folder, { inputs, prompts: { frameworks } }));
      const rows = await readTable(result.files[0] as string);
      return new Map(rows.map((row) => [`${row.entity_type}:${row.entity_id}`, row.prompt as string]));
    };
    const kar = await run(['kar']);
    const trawl = await run(['trawl']);
    assert.equal([...trawl.keys()], ['item:b1', 'item:b2', 'user:ann', "user:o'bob"]);
    assert.is(trawl.get('item:b1'), `${kar.get('item:b1')} Description: A tale of two lines.`);
    assert.is(trawl.get('item:b2'), `${kar.get('item:b2')} Description: Short.`);
    assert.is(trawl.get('user:ann'), kar.get('user:ann'));
  });
});

test('no prompt at all gives an empty typed file', async () => {
  await inFolder(async (folder) => {
    // The package's entry of a history names columns that these books lack.
    const own = { 'templates/none-user.txt': '{liked!}', 'templates/history-entry.txt': '{title}' };
    writeFiles(folder, { ...catalogue, ...own });
    const context = contextIn(folder, {
      inputs: inputsIn(folder),
      prompts: {
        frameworks: ['none'],
        templates: join(folder, 'templates'),
        history: { likedFrom: 9 },
      },
    });
    const result = await prompts(context);
    assert.is(result.rows, 0);
    assert.equal(await readTable(result.files[0] as string), []);
    assert.is((await schemaOf(result.files[0] as string)).prompt_tokens, 'INTEGER');
  });
});

const refusals: {
  name: string;
  files: Record<string, string | Buffer>;
  frameworks?: string[];
  templates?: string;
  message: RegExp;
}[] = [
  {
    name: 'a catalogue without descriptions for TRAWL',
    files: { 'templates/trawl-item.txt': '{title} {description!}' },
    frameworks: ['trawl'],
    message: /trawl-item\.txt names the unknown column "description" in line 1; .* item_id, title, year$/,
  },
  {
    name: 'a default template for columns that the catalogue lacks',
    files: {},
    message: /sql\/prompts\/templates\/kar-item\.txt names the unknown column "genre" in line 2/,
  },
  {
    name: 'a user template with an item column',
    files: { ...templates, 'templates/kar-user.txt': '{liked}\n{title}' },
    message: /kar-user\.txt names the unknown column "title" in line 2; .* user_id, age, liked, disliked$/,
  },
  {
    name: 'an entry of histories with an unknown column',
    files: { ...templates, 'templates/history-entry.txt': '{name}' },
    message: /history-entry\.txt names the unknown column "name"/,
  },
  {
    name: 'an unbalanced brace',
    files: { ...templates, 'templates/kar-item.txt': 'a\n{title' },
    message: /kar-item\.txt is wrong in line 2/,
  },
  {
    name: 'a template that is not UTF-8',
    files: { ...templates, 'templates/kar-item.txt': Buffer.from([0x7b, 0xe9, 0x7d]) },
    message: /kar-item\.txt is not UTF-8 text/,
  },
  {
    name: 'a text file that is no template',
    files: { ...templates, 'templates/kar_item.txt': '{title}' },
    message: /kar_item\.txt is no template's name/,
  },
  {
    name: 'a framework without a template',
    files: templates,
    frameworks: ['kar', 'karr'],
    message: /"karr" has no template/,
  },
  {
    name: 'a framework twice',
    files: templates,
    frameworks: ['kar', 'kar'],
    message: /"kar" is listed twice/,
  },
  {
    name: 'a framework that would make prompt ids ambiguous',
    files: templates,
    frameworks: ['kar:item'],
    message: /frameworks\[0\]: "kar:item" can't name a framework/,
  },
  {
    name: 'a framework that would leave the folder',
    files: templates,
    frameworks: ['../kar'],
    message: /can't name a framework/,
  },
  { name: 'a missing folder', files: {}, templates: 'nowhere', message: /nowhere can't be read/ },
];
for (const { name, files, frameworks, templates: named, message } of refusals) {
  test(`refuses ${name} and leaves nothing behind`, async () => {
    await inFolder(async (folder) => {
      writeFiles(folder, { ...catalogue, 'templates/notes.md': '', ...files });
      const templateFolder = join(folder, named ?? 'templates');
      const context = contextIn(folder, {
        inputs: inputsIn(folder),
        prompts: { frameworks: frameworks ?? ['kar'], templates: templateFolder },
      });
      const error = await errorOf(() => prompts(context));
      assert.match(error.message, message);
      assert.is(error.exitCode, 2);
      assert.not(existsSync(context.config.lake));
    });
  });
}

const brokenCohorts: { name: string; make: (path: string) => Promise<void>; message: RegExp }[] = [
  {
    name: 'ambiguous',
    make: (path) =>
      writeTable(path, cohortColumns, [
        { entity_type: 'item', entity_id: 'b1', cohort: 'a' },
        { entity_type: 'item', entity_id: 'b1', cohort: 'b' },
      ]),
    message: /cohorts\.parquet has 2 rows for the item "b1"; expected one/,
  },
  {
    name: 'a foreign file',
    make: async (path) => writeFiles(dirname(path), { [basename(path)]: 'PAR1 and no more' }),
    message: /cohorts\.parquet can't be read/,
  },
];
for (const { name, make, message } of brokenCohorts) {
  test(`a cohorts table that is ${name} is refused; the earlier prompts stay`, async () => {
    await inFolder(async (folder) => {
      writeFiles(folder, { ...catalogue, ...templates });
      const context = contextIn(folder, {
        inputs: inputsIn(folder),
        prompts: { templates: join(folder, 'templates') },
      });
      const { files } = await prompts(context);
      const before = readFileSync(files[0] as string);
      await make(context.lake.file('cohorts', 'p'));
      const error = await errorOf(() => prompts(context));
      assert.match(error.message, message);
      assert.is(error.exitCode, 2);
      assert.ok(before.equals(readFileSync(files[0] as string)));
    });
  });
}

test('catalogues of several pages are rendered whole', async () => {
  await inFolder(async (folder) => {
    // More than two pages of 8192 rows, in an order of their own.
    const ids = Array.from({ length: 16_500 }, (_, index) => (index * 7919) % 16_500);
    writeFiles(folder, {
      'items.csv': ['isbn,name,jahr', ...ids.map((id) => `${id},n${id},1990`)].join('\n'),
      'users.csv': catalogue['users.csv'],
      'ratings.csv': 'who,isbn,stars,at\nann,1,5,2024-01-01T00:00:00Z',
      'templates/plain-item.txt': '{title}',
    });
    const context = contextIn(folder, {
      inputs: inputsIn(folder),
      prompts: { frameworks: ['plain'], templates: join(folder, 'templates') },
    });
    const result = await prompts(context);
    assert.is(result.rows, 16_500);
    const rows = await readTable(result.files[0] as string);
    assert.equal(
      rows.map((row) => `${row.entity_id} ${row.prompt}`),
      ids.map((id) => `${id} n${id}`).sort(),
    );
  });
});

test('a lake that can not be written is a failure with the reason', async () => {
  await inFolder(async (folder) => {
    writeFiles(folder, { ...catalogue, ...templates, lake: 'a file where the folder should be' });
    const context = contextIn(folder, {
      inputs: inputsIn(folder),
      prompts: { templates: join(folder, 'templates') },
    });
    const error = await errorOf(() => prompts(context));
    assert.is(error.exitCode, 1);
    assert.match(error.message, /a part of the path is a file/);
  });
});

test('an aborted run throws the reason and leaves no file', async () => {
  await inFolder(async (folder) => {
    writeFiles(folder, { ...catalogue, ...templates });
    const reason = new Error('stopped by SIGINT');
    const settings = { inputs: inputsIn(folder), prompts: { templates: join(folder, 'templates') } };
    const context = contextIn(folder, settings, AbortSignal.abort(reason));
    assert.is(await errorOf(() => prompts(context)), reason);
    assert.equal(filesBelow(context.config.lake), []);
  });
});

test.run();
