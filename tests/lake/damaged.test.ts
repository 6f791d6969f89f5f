/** Parquet of prompts and of texts that is damaged: read, or refused as wrong input, and nothing else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import { PromptFile, textPages } from '../../src/lake/pages.js';
import { withDamage } from '../damage.js';
import { somePrompts, writePrompts } from '../pipeline/fixture.js';
import { inFolder, writeTable } from '../prompts/fixture.js';

const runs = 60;

async function readAll(pages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pages);
}

async function readPrompts(file: string): Promise<void> {
  const prompts = await PromptFile.open(file);
  try {
    await readAll(prompts.pages());
  } finally {
    prompts.close();
  }
}

/** Reads the file with damage of many kinds. */
function withDamagedFile(file: string, read: () => Promise<unknown>): Promise<void> {
  return withDamage(readFileSync(file), runs, async (bytes) => {
    writeFileSync(file, bytes);
    await read();
  });
}

test('prompts', () =>
  inFolder(async (folder) => {
    const file = await writePrompts(folder);
    await withDamagedFile(file, () => readPrompts(file));
  }));

test('prompts as chats', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'prompts.parquet');
    const rows = somePrompts(4).map(({ prompt_id, prompt }) => ({
      prompt_id,
      messages: [{ role: 'user', content: prompt }],
    }));
    const types = { prompt_id: 'VARCHAR', messages: 'STRUCT(role VARCHAR, content VARCHAR)[]' };
    await writeTable(file, types, rows);
    await withDamagedFile(file, () => readPrompts(file));
  }));

test('texts for pools', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'texts.parquet');
    const rows = somePrompts(4).map(({ prompt_id, prompt }) => ({ prompt_id, text: prompt }));
    await writeTable(file, { prompt_id: 'VARCHAR', text: 'VARCHAR' }, rows);
    await withDamagedFile(file, () => readAll(textPages(file)));
  }));

test.run();
