/** Tiny models of every family, made from the names of their tensors; references.py makes the same ones in Python. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';

export interface FamilyCase {
  name: string;
  config: Record<string, unknown>;
  /** Shapes of its tensors. */
  tensors: Record<string, number[]>;
  /** Token and log-probability, the five likeliest after each row of the tree. */
  top5: [number, number][][];
  /** What follows the prompt greedily. */
  greedy: number[];
}

/** Computed by Hugging Face transformers: references.py. */
export const references = JSON.parse(
  readFileSync(join(packageRoot, 'tests/golden/families.json'), 'utf8'),
) as { prompt: number[]; tree: { tokens: number[]; parents: number[] }; cases: FamilyCase[] };

export type StoredType = 'F32' | 'F16' | 'BF16';

/** Writes a model folder without a tokenizer, its weights in so many safetensors files. */
export function writeModel(folder: string, model: FamilyCase, type: StoredType = 'F32', shards = 1): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(model.config));
  const names = Object.keys(model.tensors);
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = shards === 1 ? 'model.safetensors' : `model-${shard + 1}-of-${shards}.safetensors`;
    const held = names.filter((_, place) => place % shards === shard);
    for (const name of held) weightMap[name] = file;
    const tensors = held.map((name) => {
      const shape = model.tensors[name] as number[];
      return { name, shape, bytes: stored(tensorOf(name, shape), type) };
    });
    writeFileSync(join(folder, file), safetensors(tensors, type));
  }
  if (shards > 1) {
    const index = { metadata: { total_size: 0 }, weight_map: weightMap };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  }
}

/** The values of a tensor: `tensor` in references.py. */
export function tensorOf(name: string, shape: readonly number[]): Float32Array {
  let seed = 2166136261;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 16777619);
  const size = shape.reduce((product, length) => product * length, 1);
  return Float32Array.from({ length: size }, (_, place) => {
    let x = (Math.imul(place, 0x9e3779b9) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    const picked = ((x ^ (x >>> 16)) >>> 24) - 128;
    return name.includes('norm') ? 1 + (picked >> 1) / 128 : picked / 512;
  });
}

export function safetensors(
  tensors: readonly { name: string; shape: readonly number[]; bytes: Uint8Array }[],
  type: string,
): Buffer {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const { name, shape, bytes } of tensors) {
    header[name] = { dtype: type, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...tensors.map(({ bytes }) => bytes)]);
}

/** All values of `tensorOf` are exact in every type. */
function stored(values: Float32Array, type: StoredType): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer);
  const bits = new Uint32Array(values.buffer);
  const halves = Uint16Array.from(bits, (word) => (type === 'BF16' ? word >>> 16 : float16(word)));
  return new Uint8Array(halves.buffer);
}

/** Of a float32 that a normal float16 (or 0) holds exactly. */
function float16(word: number): number {
  const exponent = (word >>> 23) & 255;
  if (exponent === 0) return 0;
  return ((word >>> 16) & 0x8000) | ((exponent - 112) << 10) | ((word >>> 13) & 1023);
}
