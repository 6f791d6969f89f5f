import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { promptLookup } from '../../src/decode/prompt-lookup.js';
import { loadTextModel } from '../../src/model/text.js';
import { packageRoot } from '../../src/paths.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { writeParquet } from '../simulate/fixture.js';

const tokenizer = loadTextModel(join(packageRoot, 'data-samples/model'), undefined);

test('prompts by id, as the tokens that decoding begins with; of several files the last one', () =>
  inFolder(async (root) => {
    const early = await writeParquet(
      join(root, 'early.parquet'),
      `select * from (values (1, 'A film.'), (2, 'A book.'), (4, null)) t(prompt_id, prompt)`,
    );
    const late = await writeParquet(
      join(root, 'late.parquet'),
      `select '2' as prompt_id, [{role: 'user', content: 'A song.'}] as messages`,
    );
    const found = await promptLookup(tokenizer, [early, late])(['1', '2', '3', '4']);
    assert.equal(found.get('1'), Int32Array.from(tokenizer.encodePrompt('A film.')));
    assert.equal(
      found.get('2'),
      Int32Array.from(tokenizer.encodeChat([{ role: 'user', content: 'A song.' }])),
    );
    assert.is(found.get('3'), undefined);
    assert.is(found.get('4'), undefined);
    assert.is((await promptLookup(tokenizer, [early])([])).get('1'), undefined);
    assert.is((await promptLookup(tokenizer, [])(['1'])).get('1'), undefined);
  }));

test('a file with a column named filename is one like any other', () =>
  inFolder(async (root) => {
    const file = await writeParquet(
      join(root, 'named.parquet'),
      `select '1' as prompt_id, 'A film.' as prompt, 'x' as filename`,
    );
    const found = await promptLookup(tokenizer, [file])(['1']);
    assert.equal(found.get('1'), Int32Array.from(tokenizer.encodePrompt('A film.')));
  }));

test('a damaged file is named', () =>
  inFolder(async (root) => {
    const file = join(root, 'cut.parquet');
    writeFileSync(file, 'PAR1 and no more');
    const error = await errorOf(() => promptLookup(tokenizer, [file])(['1']));
    assert.ok(error.message.startsWith(`${file} can't be read as Parquet`), error.message);
  }));

test.run();
