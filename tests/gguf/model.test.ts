import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ModelSource, openModel } from '../../src/model/source.js';
import { type FamilyCase, references, tensorOf, writeModel } from '../model/fixture.js';
import { checkParity } from '../model/parity.js';
import { errorOf } from '../text/fixture.js';
import { ggufOf, type Tensor, type Value, writeGguf } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-gguf-model-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const cache = join(folder, 'cache');
const file = join(folder, 'model.gguf');

/** Those that GGUF files can say all of: what Gemma's leave out is fixed (see below). */
const families = references.cases.filter(({ config }) => config.model_type !== 'gemma3_text');
const caseOf = (name: string) => references.cases.find((model) => model.name === name) as FamilyCase;

function use<T>(path: string, work: (source: ModelSource) => T): T {
  const source = openModel(path, cache);
  try {
    return work(source);
  } finally {
    source.close();
  }
}

for (const model of families) {
  test(`${model.name} as a GGUF file: tree and greedy text equal those of transformers`, async () => {
    await checkParity(model, writeGguf(file, ggufOf(model)), cache);
  });

  test(`${model.name}: the tensors of the GGUF file are those of the folder, whole and in parts`, () => {
    writeGguf(file, ggufOf(model));
    use(file, (source) => {
      for (const [name, shape] of Object.entries(model.tensors)) {
        const expected = tensorOf(name, shape);
        assert.equal(source.read(name, shape), expected, name);
        const [rows, inputs = 1] = shape as [number, number?];
        const middle = source.readRows(name, shape, 5, rows - 9);
        assert.equal(middle, expected.subarray(5 * inputs, (rows - 4) * inputs), name);
      }
    });
  });
}

test('the shape is that of the config.json', () => {
  for (const model of families) {
    const path = join(folder, model.name);
    writeModel(path, model);
    writeGguf(file, ggufOf(model));
    const { architecture, ropeScaling, normEpsilon, ...shape } = use(path, (source) => source.shape);
    const found = use(file, (source) => source.shape);
    // GGUF files call Mistral llama, and keep numbers as float32
    const expected = architecture === 'MistralForCausalLM' ? 'LlamaForCausalLM' : architecture;
    assert.is(found.architecture, expected);
    assert.is(found.normEpsilon, Math.fround(normEpsilon));
    assert.is(found.ropeScaling === undefined, ropeScaling === undefined);
    const { architecture: _, ropeScaling: __, normEpsilon: ___, ...rest } = found;
    assert.equal(rest, shape, model.name);
  }
});

/** Gemma 3 of six layers with the settings that its GGUF files don't hold as llama.cpp knows them. */
function gemma(changes: Record<string, unknown> = {}): FamilyCase {
  const model = caseOf('gemma3, tied');
  const layers = 6;
  const tensors = Object.entries(model.tensors).flatMap(([name, shape]) =>
    name.includes('layers.1.')
      ? Array.from({ length: layers - 1 }, (_, i) => [name.replace('layers.1.', `layers.${i + 1}.`), shape])
      : [[name, shape]],
  );
  const { head_dim: headSize, sliding_window_pattern: _, ...rest } = model.config;
  const fixed = { head_dim: headSize, query_pre_attn_scalar: headSize, num_hidden_layers: layers };
  const config = { ...rest, ...fixed, ...changes };
  return { ...model, config, tensors: Object.fromEntries(tensors) as Record<string, number[]> };
}

for (const [what, changes, metadata] of [
  ['every sixth layer is a global one', {}, {}],
  [
    'every second, with scaled positions',
    {
      sliding_window_pattern: 2,
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 20_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 5000 },
      },
    },
    {
      'gemma3.attention.sliding_window_pattern': { u32: 2 },
      'gemma3.rope.freq_base': { f32: 20_000 },
      'gemma3.rope.scaling.type': { text: 'linear' },
      'gemma3.rope.scaling.factor': { f32: 8 },
    },
  ],
] as [string, Record<string, unknown>, Record<string, Value>][]) {
  test(`gemma3 as a GGUF file is the model of the folder: ${what}`, () => {
    const model = gemma(changes);
    const path = join(folder, `gemma3 ${what}`);
    writeModel(path, model);
    const content = ggufOf(model);
    writeGguf(file, { ...content, metadata: { ...content.metadata, ...metadata } });
    const expected = use(path, (source) => source.shape);
    assert.ok(expected.gemma);
    use(file, (source) => {
      assert.equal(source.shape, { ...expected, normEpsilon: Math.fround(expected.normEpsilon) });
      for (const [name, shape] of Object.entries(model.tensors)) {
        assert.equal(source.read(name, shape), tensorOf(name, shape), name);
      }
    });
  });
}

test('gemma3 of 62 layers scales its scores by hidden size and heads', () => {
  const content = ggufOf(gemma());
  const tensors = content.tensors.flatMap((tensor) =>
    tensor.name.startsWith('blk.5.')
      ? Array.from({ length: 57 }, (_, i) => ({ ...tensor, name: tensor.name.replace('5', String(i + 5)) }))
      : [tensor],
  );
  const metadata: Record<string, Value> = { ...content.metadata, 'gemma3.block_count': { u32: 62 } };
  writeGguf(file, { metadata, tensors });
  assert.is(
    use(file, (source) => source.shape.gemma?.scoreScale),
    (96 / 6) ** -0.5,
  );
});

test('the fingerprint is of the content, not of the name', () => {
  const content = ggufOf(caseOf('llama'));
  const fingerprint = (path: string) => use(path, (source) => source.fingerprint());
  const one = fingerprint(writeGguf(file, content));
  assert.match(one, /^[0-9a-f]{64}$/);
  assert.is(fingerprint(writeGguf(join(folder, 'copy.GGUF'), content)), one);
  const [first, ...others] = content.tensors as [Tensor, ...Tensor[]];
  const changed = { ...first, bytes: first.bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) };
  assert.is.not(fingerprint(writeGguf(file, { ...content, tensors: [changed, ...others] })), one);
});

test('tensors are listed as they are stored', () => {
  writeGguf(file, ggufOf(caseOf('qwen3')));
  const tensors = use(file, (source) => source.tensors);
  const listed = tensors.find(({ name }) => name === 'blk.1.attn_q_norm.weight');
  assert.equal(listed, { name: 'blk.1.attn_q_norm.weight', type: 'F32', shape: [32], bytes: 128 });
});

interface Change {
  metadata?: Record<string, Value | undefined>;
  /** Names of tensors that are left out. */
  without?: string;
  tensors?: Tensor[];
}
const floats = (name: string, shape: number[]): Tensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  return { name, shape, type: 0, bytes: new Uint8Array(4 * size) };
};

const refusals: [string, Change, RegExp][] = [
  [
    'another architecture',
    { metadata: { 'general.architecture': { text: 'phi3' } } },
    /holds a phi3 model, which isn't supported; models of the architectures llama, qwen2, qwen3, gemma3 are/,
  ],
  [
    'an adapter',
    { metadata: { 'general.type': { text: 'adapter' } } },
    /holds an adapter, which isn't supported/,
  ],
  [
    'capped logits',
    { metadata: { 'llama.final_logit_softcapping': { f32: 30 } } },
    /it caps its scores or logits; models without caps are supported/,
  ],
  [
    'one part of a model',
    { metadata: { 'split.count': { u32: 3 } } },
    /isn't supported: it is one of 3 parts; join them with llama-gguf-split --merge/,
  ],
  [
    'a mixture of experts',
    { metadata: { 'llama.expert_count': { u32: 8 } } },
    /it is a mixture of 8 experts; dense models are supported/,
  ],
  [
    'YaRN',
    { metadata: { 'llama.rope.scaling.type': { text: 'yarn' } } },
    /it scales its rotary positions by yarn; linear and Llama 3's scaling are/,
  ],
  [
    'two scalings',
    {
      metadata: { 'llama.rope.scaling.factor': { f32: 2 } },
      tensors: [floats('rope_freqs.weight', [8])],
    },
    /it scales its rotary positions twice/,
  ],
  [
    'partial rotation',
    { metadata: { 'llama.rope.dimension_count': { u32: 8 } } },
    /it rotates 8 of the 16 elements of each head only; rotations of whole heads are supported/,
  ],
  [
    'values of another size',
    { metadata: { 'llama.attention.value_length': { u32: 8 } } },
    /the heads of its values have 8 elements, those of its keys 16; models with one size for both are supported/,
  ],
  [
    'heads that don’t divide',
    { metadata: { 'llama.attention.head_count_kv': { u32: 4 } } },
    /its 6 attention heads are no multiple of its 4 key\/value heads/,
  ],
  [
    'metadata that are missing',
    { metadata: { 'llama.attention.layer_norm_rms_epsilon': undefined } },
    /lacks llama.attention.layer_norm_rms_epsilon in its metadata/,
  ],
  [
    'metadata of another type',
    { metadata: { 'llama.embedding_length': { text: '96' } } },
    /llama.embedding_length is "96", expected a whole number from 1 to/,
  ],
  [
    'more layers than tensors',
    { metadata: { 'llama.block_count': { u32: 9_000_000 } } },
    /llama.block_count is 9000000, it has 21 tensors/,
  ],
  [
    'a tensor that is missing',
    { without: 'blk.1.ffn_up.weight' },
    /has no tensor "blk.1.ffn_up.weight", which its metadata call for/,
  ],
  [
    'tensors that the decoder would leave out',
    { tensors: [floats('blk.0.attn_sinks.weight', [6]), floats('blk.1.attn_sinks.weight', [6])] },
    /it has tensors that are no part of a LlamaForCausalLM: blk.0.attn_sinks.weight, blk.1.attn_sinks.weight$/,
  ],
];

for (const [what, { metadata = {}, without, tensors = [] }, message] of refusals) {
  test(`refused: ${what}`, () => {
    const content = ggufOf(caseOf('llama'));
    const entries = Object.entries({ ...content.metadata, ...metadata });
    writeGguf(file, {
      metadata: Object.fromEntries(
        entries.filter((entry): entry is [string, Value] => entry[1] !== undefined),
      ),
      tensors: [...content.tensors.filter(({ name }) => name !== without), ...tensors],
    });
    const error = errorOf(() => openModel(file, cache));
    assert.is(error.exitCode, 2, error.stack);
    assert.match(error.message, message);
  });
}

test('refused: a tensor of another shape than the metadata say', () => {
  const content = ggufOf(caseOf('llama'));
  const tensors = content.tensors.map((tensor) =>
    tensor.name === 'blk.0.ffn_up.weight' ? floats(tensor.name, [96, 160]) : tensor,
  );
  writeGguf(file, { ...content, tensors });
  const error = errorOf(() =>
    use(file, (source) => source.read('model.layers.0.mlp.up_proj.weight', [160, 96])),
  );
  assert.is(error.exitCode, 2);
  assert.match(
    error.message,
    /"blk.0.ffn_up.weight" has the shape \[96, 160\], the metadata call for \[160, 96\]/,
  );
});

test.run();
