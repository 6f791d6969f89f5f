import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prompts } from '../../pipeline/prompts.js';
import { packageRoot } from '../../src/paths.js';
import { contextIn, filesBelow, inFolder, readTable, sampleInputs, schemaOf } from './fixture.js';

const reference = readFileSync(join(packageRoot, 'tests/golden/model-reference.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { id: string; prompt: string; prompt_ids: number[] });
const frameworks = ['kar', 'once', 'rlmrec'];

test("the sample's prompts are those that the embedded model knows", async () => {
  await inFolder(async (folder) => {
    const context = contextIn(folder, { inputs: sampleInputs, prompts: { frameworks } });
    const result = await prompts(context);
    const [file] = result.files as [string];
    assert.is(result.rows, 3300);
    assert.equal(filesBelow(context.config.lake), [
      'prompts/partition=p/_manifest.json',
      'prompts/partition=p/prompts.parquet',
    ]);
    assert.equal(await schemaOf(file), {
      prompt_id: 'VARCHAR',
      entity_type: 'VARCHAR',
      entity_id: 'VARCHAR',
      framework: 'VARCHAR',
      cohort: 'VARCHAR',
      prompt: 'VARCHAR',
      prompt_tokens: 'INTEGER',
    });
    const rows = await readTable(file);
    const ids = rows.map((row) => row.prompt_id as string);
    assert.is(new Set(ids).size, 3300);
    assert.equal(ids, [...ids].sort());
    const byId = new Map(rows.map((row) => [row.prompt_id, row]));
    assert.is(reference.length, 36);
    for (const { id, prompt, prompt_ids } of reference) {
      const row = byId.get(id.replace('_', ':'));
      assert.is(row?.prompt, prompt, id);
      assert.is(row?.prompt_tokens, prompt_ids.length, id);
    }

    const before = readFileSync(file);
    await prompts(context);
    assert.ok(before.equals(readFileSync(file)), 'the same inputs give the same bytes');
  });
});

test.run();
