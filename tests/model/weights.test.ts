import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { DareError } from '../../src/errors.js';
import { CPU_WEIGHTS, type CpuWeights } from '../../src/model/linear.js';
import { prepareModel } from '../../src/model/prepare.js';
import { measureQuality } from '../bench/quality.js';
import { modelFolder, references as texts } from '../decode/fixture.js';
import { references, writeModel } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-weights-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const cache = join(folder, 'cache');

/** What each type may lose on the sample model: share of equal tokens, nats a token. */
const bounds: Record<CpuWeights, { equal: number; nats: number }> = {
  float32: { equal: 1, nats: 1e-5 },
  int8: { equal: 0.99, nats: 0.005 },
  int4: { equal: 0.97, nats: 0.02 },
};

test("the sample model's texts are nearly the same in every weight type", async () => {
  // what transformers computes in float32
  for (const weights of CPU_WEIGHTS) {
    const engine = await CpuEngine.open({ model: modelFolder, cache, weights, slots: 1, threads: 2 });
    const { tokens, equalTokens, logProbability } = await measureQuality(engine, texts);
    await engine.close();
    const expected = texts.reduce((sum, text) => sum + text.sum_logprob, 0) / tokens;
    assert.ok(equalTokens >= bounds[weights].equal, `${weights}: ${equalTokens} of the tokens are equal`);
    const difference = Math.abs(logProbability - expected);
    assert.ok(difference < bounds[weights].nats, `${weights}: ${difference} nats a token`);
  }
});

const prompt = Int32Array.from(references.prompt);
const tree = {
  tokens: Int32Array.from(references.tree.tokens),
  parents: Int32Array.from(references.tree.parents),
};
/** How far the hidden states of tiny models of random weights are off, relative to their length, as measured. */
const measured: Readonly<Record<string, { int8: number; int4: number }>> = {
  llama: { int8: 0.0692, int4: 0.3105 },
  'llama, tied': { int8: 0.061, int4: 0.2908 },
  'llama, biases': { int8: 0.0718, int4: 0.3401 },
  'llama, one head for all': { int8: 0.0855, int4: 0.3615 },
  'llama, no groups': { int8: 0.06, int4: 0.3204 },
  'llama, linear rope': { int8: 0.0538, int4: 0.3217 },
  'llama, llama3 rope': { int8: 0.0649, int4: 0.3181 },
  'llama, llama3 rope, tied': { int8: 0.0649, int4: 0.3181 },
  mistral: { int8: 0.0591, int4: 0.3102 },
  'mistral, tied, window': { int8: 0.0692, int4: 0.3105 },
  qwen2: { int8: 0.0554, int4: 0.2964 },
  'qwen2, tied': { int8: 0.0554, int4: 0.2964 },
  qwen3: { int8: 0.0442, int4: 0.2365 },
  'qwen3, tied, biases': { int8: 0.0443, int4: 0.2402 },
  'gemma3, tied': { int8: 0.0292, int4: 0.2924 },
  gemma3: { int8: 0.0406, int4: 0.3232 },
};
/** So many times as far they may be: room for another order of additions, and not for a bias that is left out. */
const room = 1.1;

/** The normed hidden states of all rows of the tree, one after the other. */
async function hiddenStates(path: string, weights: CpuWeights): Promise<Float32Array> {
  const engine = await CpuEngine.open({ model: path, cache, weights, slots: 1, threads: 1 });
  await engine.admit(0, prompt);
  const [verdicts] = (await engine.step([{ slot: 0, tree }], 2)) as [Verdicts];
  const states = Array.from(tree.tokens, (_, row) => [...verdicts.hidden(row)]).flat();
  await engine.close();
  return Float32Array.from(states);
}

for (const weights of ['int8', 'int4'] as const) {
  test(`every family in ${weights} is close to itself in float32, biases and norms included`, async () => {
    for (const model of references.cases) {
      const path = join(folder, model.name);
      writeModel(path, model);
      const expected = await hiddenStates(path, 'float32');
      const found = await hiddenStates(path, weights);
      const length = (values: Float32Array) => Math.hypot(...values);
      const off = length(found.map((value, at) => value - (expected[at] as number))) / length(expected);
      const expectedOff = measured[model.name]?.[weights] ?? 0;
      assert.ok(off < room * expectedOff, `${model.name}: off by ${off}, measured ${expectedOff}`);
    }
  });

  test(`a row's verdict in ${weights} is the same alone and among others`, async () => {
    const engine = await CpuEngine.open({ model: modelFolder, cache, weights, slots: 2, threads: 2 });
    const [first, second] = texts.slice(0, 2).map((text) => Int32Array.from(text.prompt_ids)) as [
      Int32Array,
      Int32Array,
    ];
    const chain = (ids: Int32Array, more: number[]) => {
      const tokens = Int32Array.of(ids.at(-1) as number, ...more);
      return { tokens, parents: Int32Array.from(tokens, (_, row) => row - 1) };
    };
    await engine.admit(0, first);
    await engine.admit(1, second);
    // tokens that no text has in this order: rows of unusual sizes
    const strange = Array.from({ length: 11 }, (_, at) => 3 + at * 500);
    const [among] = (await engine.step(
      [
        { slot: 0, tree: chain(first, strange) },
        { slot: 1, tree: chain(second, strange) },
      ],
      2,
    )) as [Verdicts, Verdicts];
    const logit = among.logit(0, 0);
    engine.release(1);
    const [alone] = (await engine.step([{ slot: 0, tree: chain(first, []) }], 2)) as [Verdicts];
    const difference = Math.abs(alone.logit(0, 0) - logit);
    assert.ok(difference < 1e-3, `${difference}`);
    await engine.close();
  });

  test(`weights that are no numbers are refused in ${weights}`, () => {
    const model = references.cases[0];
    if (model === undefined) throw new Error('no case');
    const path = join(folder, `broken ${weights}`);
    writeModel(path, model);
    putNan(join(path, 'model.safetensors'), 'model.layers.0.mlp.down_proj.weight');
    assert.throws(
      () => prepareModel(path, cache, weights),
      (error: unknown) =>
        error instanceof DareError && error.exitCode === 2 && /down.0 holds NaN/.test(error.message),
    );
  });
}

/** Puts a NaN in the place of the tensor's first value, a float32. */
function putNan(file: string, name: string): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  bytes.writeFloatLE(Number.NaN, 8 + length + (header[name]?.data_offsets[0] as number));
  writeFileSync(file, bytes);
}

test.run();
