import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type FamilyCase, references, type StoredType, writeModel } from './fixture.js';
import { checkParity } from './parity.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-families-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const cache = join(folder, 'cache');

for (const model of references.cases) {
  test(`${model.name}: tree and greedy text equal those of transformers`, async () => {
    const path = join(folder, model.name);
    writeModel(path, model);
    await checkParity(model, path, cache);
  });
}

const stored: readonly [name: string, type: StoredType, shards: number][] = [
  ['qwen2', 'F16', 1],
  ['qwen3, tied, biases', 'BF16', 1],
  ['llama, tied', 'F16', 3],
  ['mistral', 'BF16', 2],
  ['qwen3', 'F32', 4],
];

for (const [name, type, shards] of stored) {
  test(`${name}, stored as ${type} in ${shards} files, is the same model`, async () => {
    const model = references.cases.find((candidate) => candidate.name === name) as FamilyCase;
    const path = join(folder, `${name} ${type} ${shards}`);
    writeModel(path, model, type, shards);
    await checkParity(model, path, cache);
  });
}

test('every family is there with tied and with untied embeddings', () => {
  const found = references.cases.map(
    ({ config, tensors }) =>
      `${(config.architectures as string[])[0]} ${tensors['lm_head.weight'] === undefined}`,
  );
  for (const family of ['Llama', 'Mistral', 'Qwen2', 'Qwen3', 'Gemma3']) {
    for (const tied of [true, false]) assert.ok(found.includes(`${family}ForCausalLM ${tied}`), family);
  }
});

test.run();
