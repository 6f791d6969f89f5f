import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { type FamilyCase, references, type StoredType, writeModel } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-families-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Largest difference of a log-probability from the reference, in nats. */
const tolerance = 1e-4;
const prompt = Int32Array.from(references.prompt);
const tree = {
  tokens: Int32Array.from(references.tree.tokens),
  parents: Int32Array.from(references.tree.parents),
};

async function check(model: FamilyCase, path: string): Promise<void> {
  const engine = await CpuEngine.open({ model: path, cache: join(folder, 'cache'), slots: 2, threads: 1 });
  await engine.admit(0, prompt);
  const [verdicts] = (await engine.step([{ slot: 0, tree }], 5)) as [Verdicts];
  model.top5.forEach((top, row) => {
    top.forEach(([token, logProbability], rank) => {
      const where = `${model.name}, row ${row}, rank ${rank}`;
      assert.is(verdicts.token(row, rank), token, where);
      const difference = Math.abs(Math.log(verdicts.probability(row, rank)) - logProbability);
      assert.ok(difference < tolerance, `${where}: ${difference}`);
    });
  });
  engine.release(0);
  await engine.admit(1, prompt);
  let last = prompt.at(-1) as number;
  for (const [place, token] of model.greedy.entries()) {
    const one = { tokens: Int32Array.of(last), parents: Int32Array.of(-1) };
    const [next] = (await engine.step([{ slot: 1, tree: one }], 2)) as [Verdicts];
    last = next.token(0, 0);
    assert.is(last, token, `${model.name}, greedy token ${place}`);
    engine.keep(1, [0]);
  }
  await engine.close();
}

for (const model of references.cases) {
  test(`${model.name}: tree and greedy text equal those of transformers`, async () => {
    const path = join(folder, model.name);
    writeModel(path, model);
    await check(model, path);
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
    await check(model, path);
  });
}

test('every family is there with tied and with untied embeddings', () => {
  const found = references.cases.map(
    ({ config }) => `${(config.architectures as string[])[0]} ${config.tie_word_embeddings}`,
  );
  for (const family of ['Llama', 'Mistral', 'Qwen2', 'Qwen3']) {
    for (const tied of [true, false]) assert.ok(found.includes(`${family}ForCausalLM ${tied}`), family);
  }
});

test.run();
