/** Writes GGUF files: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
import { readFileSync, writeFileSync } from 'node:fs';
import { type FamilyCase, tensorOf } from '../model/fixture.js';

/** A value of the metadata with its type. */
export type Value =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { text: string }
  | { texts: readonly string[] }
  | { f32s: readonly number[] }
  | { i32s: readonly number[] };

export interface Tensor {
  name: string;
  /** Row-major; the file names the last axis first. */
  shape: readonly number[];
  /** Number of its type; 0 is F32. */
  type: number;
  bytes: Uint8Array;
}

export interface Content {
  metadata: Record<string, Value>;
  tensors: readonly Tensor[];
  version?: number;
}

export function writeGguf(file: string, content: Content): string {
  writeFileSync(file, gguf(content));
  return file;
}

/** The bytes of a GGUF file, aligned to 32. */
export function gguf({ metadata, tensors, version = 3 }: Content): Buffer {
  const entries = Object.entries(metadata);
  const parts = [Buffer.from('GGUF'), u32(version), u64(tensors.length), u64(entries.length)];
  for (const [key, value] of entries) parts.push(text(key), encoded(value));
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(offset));
    offset += aligned(bytes.length);
  }
  const header = Buffer.concat(parts);
  const data = tensors.map(({ bytes }) => padded(bytes));
  return Buffer.concat([padded(header), ...data]);
}

/**
 * A model of tests/model as llama.cpp's converter writes it: under its names, and with the rows of each query and key
 * head in the order 0, half, 1, half + 1, ... where the architecture is llama; with 1 added to Gemma's norms.
 */
export function ggufOf(model: FamilyCase): { metadata: Record<string, Value>; tensors: Tensor[] } {
  const config = model.config as Record<string, number> & { architectures: string[] };
  const architecture =
    { Qwen2ForCausalLM: 'qwen2', Qwen3ForCausalLM: 'qwen3', Gemma3ForCausalLM: 'gemma3' }[
      config.architectures[0] ?? ''
    ] ?? 'llama';
  const heads = config.num_attention_heads as number;
  const headSize = config.head_dim ?? (config.hidden_size as number) / heads;
  const key = (part: string) => `${architecture}.${part}`;
  const rope = (config.rope_parameters ?? config.rope_scaling ?? {}) as unknown as Record<string, number>;
  const base = rope.rope_theta ?? config.rope_theta ?? 10_000;
  const metadata: Record<string, Value> = {
    'general.architecture': { text: architecture },
    [key('block_count')]: { u32: config.num_hidden_layers as number },
    [key('context_length')]: { u32: config.max_position_embeddings as number },
    [key('embedding_length')]: { u32: config.hidden_size as number },
    [key('feed_forward_length')]: { u32: config.intermediate_size as number },
    [key('attention.head_count')]: { u32: heads },
    [key('attention.layer_norm_rms_epsilon')]: { f32: config.rms_norm_eps as number },
    [key('rope.freq_base')]: { f32: base },
  };
  if (config.num_key_value_heads != null) {
    metadata[key('attention.head_count_kv')] = { u32: config.num_key_value_heads };
  }
  if (config.head_dim != null) metadata[key('attention.key_length')] = { u32: config.head_dim };
  if (config.sliding_window != null && !architecture.startsWith('qwen')) {
    metadata[key('attention.sliding_window')] = { u32: config.sliding_window };
  }
  if (config.rope_local_base_freq != null) {
    metadata[key('rope.freq_base_swa')] = { f32: config.rope_local_base_freq };
  }
  const type = rope.rope_type ?? rope.type;
  if (String(type) === 'linear') {
    metadata[key('rope.scaling.type')] = { text: 'linear' };
    metadata[key('rope.scaling.factor')] = { f32: rope.factor as number };
  }
  const tensors = Object.entries(model.tensors).map(([name, shape]): Tensor => {
    let values = tensorOf(name, shape);
    if (architecture === 'llama' && /[qk]_proj/.test(name)) {
      const perHead =
        (shape[0] as number) / (name.includes('q_proj') ? heads : (config.num_key_value_heads ?? heads));
      values = interleaved(values, shape[0] as number, perHead);
    }
    if (architecture === 'gemma3' && name.endsWith('norm.weight'))
      values = values.map((weight) => weight + 1);
    return { name: renamed(name, architecture), shape, type: 0, bytes: new Uint8Array(values.buffer) };
  });
  if (String(type) === 'llama3') tensors.push(ropeFactors(rope, base, headSize));
  return { metadata, tensors };
}

/** Llama 3's scaling as the converter stores it: by how much each rotation is slower. */
function ropeFactors(rope: Record<string, number>, base: number, headSize: number): Tensor {
  const [factor, low, high] = [rope.factor, rope.low_freq_factor, rope.high_freq_factor] as [
    number,
    number,
    number,
  ];
  const original = rope.original_max_position_embeddings as number;
  const factors = Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const turns = original / (2 * Math.PI * base ** ((2 * i) / headSize));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return { name: 'rope_freqs.weight', shape: [headSize / 2], type: 0, bytes: new Uint8Array(factors.buffer) };
}

function interleaved(values: Float32Array, rows: number, perHead: number): Float32Array {
  const width = values.length / rows;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % perHead;
    const from = row - within + (within % 2) * (perHead / 2) + Math.floor(within / 2);
    result.set(values.subarray(from * width, from * width + width), row * width);
  }
  return result;
}

function renamed(name: string, architecture: string): string {
  return name
    .replace('post_attention_layernorm', architecture === 'gemma3' ? 'post_attention_norm' : 'ffn_norm')
    .replace('pre_feedforward_layernorm', 'ffn_norm')
    .replace('post_feedforward_layernorm', 'post_ffw_norm')
    .replace('model.embed_tokens', 'token_embd')
    .replace('model.norm', 'output_norm')
    .replace('lm_head', 'output')
    .replace('model.layers', 'blk')
    .replace('input_layernorm', 'attn_norm')
    .replace(/self_attn\.([qkv])_proj/, 'attn_$1')
    .replace(/self_attn\.([qk])_norm/, 'attn_$1_norm')
    .replace('self_attn.o_proj', 'attn_output')
    .replace(/mlp\.(gate|up|down)_proj/, 'ffn_$1');
}

/** What llama.cpp, Hugging Face and SentencePiece compute: references.py. */
export const blockReferences = readJson('tests/golden/gguf-blocks.json') as Record<
  string,
  { type: number; bytes: string; values: string }
>;
export const tokenizerReferences = readJson('tests/golden/gguf-tokenizers.json') as {
  texts: string[];
  byteLevel: { tokens: string[]; merges: string[]; ids: Record<string, number[][]> };
  sentencePiece: { tokens: string[]; scores: number[]; types: number[]; ids: number[][] };
};

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function encoded(value: Value): Buffer {
  if ('u32' in value) return Buffer.concat([u32(4), u32(value.u32)]);
  if ('f32' in value) return Buffer.concat([u32(6), f32(value.f32)]);
  if ('bool' in value) return Buffer.concat([u32(7), Buffer.from([value.bool ? 1 : 0])]);
  if ('text' in value) return Buffer.concat([u32(8), text(value.text)]);
  if ('texts' in value) return list(8, value.texts.map(text));
  if ('f32s' in value) return list(6, value.f32s.map(f32));
  return list(5, value.i32s.map(u32));
}

function list(type: number, elements: Buffer[]): Buffer {
  return Buffer.concat([u32(9), u32(type), u64(elements.length), ...elements]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function aligned(length: number): number {
  return Math.ceil(length / 32) * 32;
}

function padded(bytes: Uint8Array): Buffer {
  const result = Buffer.alloc(aligned(bytes.length));
  result.set(bytes);
  return result;
}
