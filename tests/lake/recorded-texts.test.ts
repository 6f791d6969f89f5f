import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type RecordedOptions, type RecordedText, recordedTexts } from '../../src/lake/recorded-texts.js';
import { writeParquet } from '../simulate/fixture.js';
import { errorOf, inFolder } from './temporary.js';

async function read(files: string, options: RecordedOptions = {}): Promise<RecordedText[]> {
  const rows: RecordedText[] = [];
  for await (const page of recordedTexts(files, options)) rows.push(...page);
  return rows;
}

const empty = {
  promptId: null,
  entityType: null,
  entityId: null,
  framework: null,
  cohort: null,
  prompt: null,
  messages: null,
  finishReason: null,
  tokenIds: null,
  secondIds: null,
  secondCosts: null,
};

test('every column, of other types where they say the same, and none but text', () =>
  inFolder(async (root) => {
    const full = await writeParquet(
      join(root, 'full.parquet'),
      `select 7 as prompt_id, 'item' as entity_type, 8::bigint as entity_id, 'kar' as framework, 9 as cohort, 'a b' as text,
         'ask' as prompt, [{content: 'c', role: 'user', more: 1}] as messages, 'length' as finish_reason,
         [1, 2]::bigint[] as output_token_ids, [3, null] as second_ids, [0.5, null]::double[] as second_costs, 1 as other`,
    );
    assert.equal(await read(full), [
      {
        promptId: '7',
        entityType: 'item',
        entityId: '8',
        framework: 'kar',
        cohort: '9',
        text: 'a b',
        prompt: 'ask',
        messages: [{ role: 'user', content: 'c' }],
        finishReason: 'length',
        tokenIds: [1, 2],
        secondIds: [3, null],
        secondCosts: [0.5, null],
      },
    ]);
    const bare = await writeParquet(
      join(root, 'bare.parquet'),
      `select * from (values ('x', null), (null, null), ('', null), ('y', 'failed')) t(text, error)`,
    );
    assert.equal(await read(bare), [{ ...empty, text: 'x' }]);
  }));

test('few are a sample of many, whatever their order in the file', () =>
  inFolder(async (root) => {
    const rows = (order: string) =>
      `select i as prompt_id, 'text ' || i % 50 as text from range(3000) t(i) order by ${order}`;
    const file = await writeParquet(join(root, 'a.parquet'), rows('i'));
    const turned = await writeParquet(join(root, 'b.parquet'), rows('-i'));
    const all = await read(file);
    assert.is(all.length, 3000);
    assert.equal(await read(file, { limit: 40 }), all.slice(0, 40));
    assert.equal(await read(turned, { limit: 1500 }), all.slice(0, 1500));
    const firstOnes = all.slice(0, 40).filter(({ promptId }) => Number(promptId) < 1500).length;
    assert.ok(firstOnes > 5 && firstOnes < 35, `${firstOnes} of 40 from the first half`);
  }));

test('prompts of another file go to texts without their own', () =>
  inFolder(async (root) => {
    const texts = await writeParquet(
      join(root, 't.parquet'),
      `select * from (values (1, 'one', 'own'), (2, 'two', null), (3, 'three', null)) t(prompt_id, text, prompt)`,
    );
    const prompts = await writeParquet(
      join(root, 'p.parquet'),
      `select * from (values ('1', 'first'), ('2', 'second'), ('2', 'again')) t(prompt_id, prompt)`,
    );
    const found = (await read(texts, { prompts })).map(({ text, prompt }) => [
      text,
      prompt === 'again' ? 'second' : prompt,
    ]);
    assert.equal(found.sort(), [
      ['one', 'own'],
      ['three', null],
      ['two', 'second'],
    ]);
    const error = await errorOf(() => read(texts, { prompts: texts.replace('t.parquet', 'q.parquet') }));
    assert.match(error.message, /q\.parquet: there is no such file/);
    const chats = await writeParquet(
      join(root, 'c.parquet'),
      `select unnest([1, 3]) as prompt_id, [{role: 'user', content: 'third'}] as messages`,
    );
    const asked = await read(texts, { prompts: chats });
    const messagesOf = (wanted: string) => asked.find(({ text }) => text === wanted)?.messages;
    assert.equal(messagesOf('three'), [{ role: 'user', content: 'third' }]);
    assert.is(messagesOf('one'), null, 'it has a prompt of its own');
  }));

test.run();
