import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorRow } from '../../src/decode/row.js';
import { Duck } from '../../src/lake/duck.js';
import { TextParts } from '../../src/lake/parts.js';
import type { TextRow } from '../../src/lake/writer.js';
import { errorOf, inFolder } from './temporary.js';

/** A row that counts 138 bytes and its prompt_id. */
function rowOf(promptId: string): TextRow {
  const prompt = { row: 0, promptId, entityType: null, entityId: null, framework: null, cohort: null };
  const row = errorRow({ ...prompt, prompt: null, messages: null }, null, '', {
    poolVersion: null,
    round: 0,
  });
  return { ...row, text: 'a' };
}

async function idsOf(file: string): Promise<unknown[]> {
  const duck = await Duck.open();
  try {
    return (await duck.rows('select prompt_id from read_parquet($file)', { file })).map(
      (row) => row.prompt_id,
    );
  } finally {
    duck.close();
  }
}

test('rows appended without waiting go into parts of bounded size, in order', () =>
  inFolder(async (root) => {
    const folder = join(root, 'parts');
    const parts = await TextParts.open(folder, 400);
    const ids = Array.from({ length: 10 }, (_, i) => `k${i}`);
    const appended = Promise.all(ids.map((id) => parts.append(rowOf(id))));
    const files = await parts.close();
    await appended;
    assert.equal(await Promise.all(files.map(idsOf)), [ids.slice(0, 4), ids.slice(4, 8), ids.slice(8)]);
    assert.equal(
      readdirSync(folder).sort(),
      files.map((file) => file.slice(folder.length + 1)),
    );
  }));

test('without rows there is one part', () =>
  inFolder(async (root) => {
    const files = await (await TextParts.open(root)).close();
    assert.equal(await Promise.all(files.map(idsOf)), [[]]);
  }));

test('a row that is refused is in no part, and nothing is written after abort', () =>
  inFolder(async (root) => {
    const parts = await TextParts.open(root, 1);
    await parts.append(rowOf('a'));
    const refused = await errorOf(() => parts.append({ ...rowOf('b'), divergence: Number.NaN }));
    assert.match(refused.message, /divergence holds NaN/);
    await parts.append(rowOf('c'));
    await parts.abort();
    await parts.abort();
    assert.match((await errorOf(() => parts.append(rowOf('d')))).message, /has ended/);
    assert.equal(readdirSync(root), ['part-0.parquet']);
    assert.equal(await idsOf(join(root, 'part-0.parquet')), ['a']);
  }));

test.run();
