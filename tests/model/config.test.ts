import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DareError } from '../../src/errors.js';
import { type DecoderShape, readModelConfig } from '../../src/model/config.js';
import { ropeFrequencies } from '../../src/model/rope.js';
import { type FamilyCase, references } from './fixture.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-config-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const configOf = (name: string) =>
  (references.cases.find((candidate) => candidate.name === name) as FamilyCase).config;

/** Reads a case's config.json with some keys changed; undefined removes a key. */
function read(name: string, changes: Record<string, unknown>): DecoderShape {
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...configOf(name), ...changes }));
  return readModelConfig(folder);
}

const understood: readonly [
  what: string,
  name: string,
  changes: Record<string, unknown>,
  shape: { [Key in keyof DecoderShape]?: DecoderShape[Key] | undefined },
][] = [
  ['heads share out the hidden size', 'llama', {}, { headSize: 16, heads: 6, kvHeads: 2 }],
  ['every head its own keys', 'llama', { num_key_value_heads: undefined }, { kvHeads: 6 }],
  ['no biases unless named', 'llama', {}, { qkvBias: false, attentionOutBias: false, mlpBias: false }],
  ['Llama with biases', 'llama', { attention_bias: true }, { qkvBias: true, attentionOutBias: true }],
  [
    'Mistral has none',
    'mistral',
    { attention_bias: true, mlp_bias: true },
    { qkvBias: false, mlpBias: false },
  ],
  ['Qwen2 always has some', 'qwen2', {}, { qkvBias: true, attentionOutBias: false, qkNorm: false }],
  ['Qwen3 has norms', 'qwen3', {}, { qkNorm: true, qkvBias: false }],
  ["Qwen3's own head size", 'qwen3', { head_dim: undefined }, { headSize: 128 }],
  [
    "Mistral's own groups",
    'mistral',
    { num_key_value_heads: undefined, num_attention_heads: 8 },
    { kvHeads: 8 },
  ],
  [
    'null is as good as absent',
    'llama',
    { tie_word_embeddings: null, attention_bias: null, mlp_bias: null, use_sliding_window: null },
    { tiedEmbeddings: false, qkvBias: false, mlpBias: false },
  ],
  [
    "Gemma's embeddings are tied unless named",
    'gemma3',
    { tie_word_embeddings: null },
    { tiedEmbeddings: true },
  ],
  ['embeddings that are not', 'gemma3', { tie_word_embeddings: false }, { tiedEmbeddings: false }],
  ['base of rope_theta', 'llama', { rope_theta: 77 }, { ropeBase: 77 }],
  ['base of rope_parameters', 'qwen2, tied', {}, { ropeBase: 1e6 }],
  ['base by default', 'llama', { rope_theta: undefined }, { ropeBase: 10_000 }],
  ['a window below the context', 'mistral', { sliding_window: 64 }, { context: 64, window: 64 }],
  [
    'a window as wide as the context',
    'mistral',
    { sliding_window: 128 },
    { context: 128, window: undefined },
  ],
  [
    "Mistral's own window",
    'mistral',
    { sliding_window: undefined, max_position_embeddings: 9000 },
    { context: 4096 },
  ],
  ['a window out of use', 'qwen2', {}, { context: 128, window: undefined }],
  ['a window in use', 'qwen2', { use_sliding_window: true, max_window_layers: 1 }, { context: 64 }],
  [
    'a window behind the layers',
    'qwen2',
    { use_sliding_window: true, max_window_layers: 2 },
    { context: 128, window: undefined },
  ],
  [
    'layers named',
    'qwen3',
    { use_sliding_window: true, sliding_window: 9, layer_types: ['full_attention', 'full_attention'] },
    { context: 128, window: undefined },
  ],
  [
    'a layer with a window',
    'qwen3',
    { use_sliding_window: true, sliding_window: 9, layer_types: ['full_attention', 'sliding_attention'] },
    { context: 9 },
  ],
];

for (const [what, name, changes, expected] of understood) {
  test(`${name}: ${what}`, () => {
    const shape = read(name, changes);
    for (const [key, value] of Object.entries(expected))
      assert.is(shape[key as keyof DecoderShape], value, key);
  });
}

const scaled = { rope_type: 'llama3', factor: 2, low_freq_factor: 1, high_freq_factor: 4 };
const refused: readonly [name: string, changes: Record<string, unknown>, message: RegExp][] = [
  [
    'llama',
    { architectures: ['GPT2LMHeadModel'] },
    /GPT2LMHeadModel .* isn't supported; LlamaForCausalLM, .* and Gemma3ForCausalLM are/,
  ],
  ['llama', { architectures: ['constructor'] }, /constructor .* isn't supported/],
  ['llama', { architectures: [] }, /names no architecture: its key architectures must be a list with one$/],
  ['llama', { architectures: undefined }, /names no architecture/],
  ['llama', { architectures: 'LlamaForCausalLM' }, /names no architecture/],
  ['llama', { hidden_size: undefined }, /config\.json lacks hidden_size$/],
  ['llama', { hidden_act: 'gelu' }, /activation is gelu, expected silu/],
  ['llama', { rope_scaling: { rope_type: 'yarn', factor: 4 } }, /by yarn; linear and llama3 are supported/],
  ['llama', { rope_scaling: { factor: 4 } }, /unnamed rule/],
  ['llama', { rope_scaling: { type: 'linear' } }, /linear rope scaling has no factor/],
  ['llama', { rope_scaling: scaled }, /llama3 rope scaling lacks .*original_max_position_embeddings/],
  [
    'llama',
    { partial_rotary_factor: 0.5 },
    /rotates 0.5 of each head only; rotations of whole heads are supported/,
  ],
  [
    'llama',
    { quantization_config: { quant_method: 'gptq' } },
    /quantised \(gptq\); F32, F16 and BF16 are supported/,
  ],
  ['llama', { num_key_value_heads: 4 }, /6 attention heads are no multiple of its 4 key\/value heads/],
  ['llama', { head_dim: 15 }, /heads have 15 elements, expected an even number/],
  [
    'qwen3',
    { layer_types: ['linear_attention'] },
    /layers of the type linear_attention, expected full_attention or sliding_attention/,
  ],
  ['llama', { num_hidden_layers: 10_001 }, /config\.json: num_hidden_layers: .*10000/],
  ['gemma3', { num_hidden_layers: 10_001 }, /config\.json: num_hidden_layers: .*10000/],
  ['gemma3', { hidden_activation: 'gelu' }, /activation is gelu, expected gelu_pytorch_tanh/],
  ['gemma3', { final_logit_softcapping: 30 }, /caps its scores or logits; models without caps are supported/],
  ['gemma3', { attn_logit_softcapping: 50 }, /caps its scores or logits/],
  ['gemma3', { use_bidirectional_attention: true }, /attention looks ahead; causal attention is supported/],
  ['gemma3', { sliding_window: 'wide' }, /config\.json: sliding_window/],
  [
    'gemma3',
    { rope_parameters: { sliding_attention: { rope_type: 'linear', factor: 2 } } },
    /rotary positions of its local layers by linear; unscaled ones are supported/,
  ],
];

test('Gemma: layers and bases, with the defaults of transformers', () => {
  const { gemma, ...shape } = read('gemma3, tied', {
    num_hidden_layers: 7,
    sliding_window_pattern: undefined,
    sliding_window: undefined,
    rope_theta: undefined,
    rope_local_base_freq: undefined,
    head_dim: undefined,
    query_pre_attn_scalar: undefined,
  });
  assert.equal(gemma, {
    localLayers: [true, true, true, true, true, false, true],
    window: 4096,
    localRopeBase: 10_000,
    scoreScale: 1 / 16,
  });
  assert.equal([shape.ropeBase, shape.headSize, shape.tiedEmbeddings, shape.context], [1e6, 256, true, 128]);
});

for (const [name, changes, message] of refused) {
  test(`refused: ${name} with ${JSON.stringify(changes)}`, () => {
    try {
      read(name, changes);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, DareError);
      assert.is((error as DareError).exitCode, 2);
      assert.match((error as DareError).message, message);
    }
  });
}

test('llama3 keeps fast rotations, slows slow ones down, and goes from one to the other without a jump', () => {
  const rope = { headSize: 128, ropeBase: 500_000 };
  const plain = ropeFrequencies(rope);
  const found = ropeFrequencies({
    ...rope,
    ropeScaling: {
      type: 'llama3',
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContext: 8192,
    },
  });
  const ratios = Array.from(plain, (frequency, i) => frequency / (found[i] as number));
  assert.is(ratios[0], 1);
  assert.is(ratios.at(-1), 8);
  ratios.forEach((ratio, i) => {
    assert.ok(ratio >= 1 && ratio <= 8 + 1e-9 && ratio >= (ratios[i - 1] ?? 1) - 1e-12, `${i}: ${ratio}`);
  });
  assert.ok(ratios.some((ratio) => ratio > 1.5 && ratio < 6));
});

test.run();
