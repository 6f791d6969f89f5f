/**
 * Decoders as ONNX graphs of others' making, in the layout of the onnx-community models on Hugging Face: a folder with
 * config.json, the tokenizer and graphs in it or in its folder `onnx`.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { unreadable } from '../unreadable.js';
import { BinaryFile } from './binary-file.js';
import { configFault } from './config-fault.js';
import { type OnnxHeader, type OnnxValue, readOnnxHeader } from './onnx-file.js';
import type { StockPlace } from './stock-place.js';

/** What is to be known of a stock graph for decoding with it. */
export interface StockModel {
  /** The ONNX file. */
  file: string;
  architecture: string;
  layers: number;
  kvHeads: number;
  headSize: number;
  /** What keys and values are kept as. */
  cacheType: 'float32' | 'float16';
  vocabulary: number;
  /** Positions of a sequence, prompt and output together. */
  context: number;
  /** Whether the graph takes position_ids; those that don't count columns. */
  positions: boolean;
  /**
   * Whether sequences of different lengths can share a run. It takes a graph that hides columns where attention_mask is
   * 0, and that doesn't count them.
   */
  batched: boolean;
  /** Bytes of the ONNX file and its external data. */
  bytes: number;
}

/** Operators that quantise activations over everything in a run. */
const acrossRows = ['DynamicQuantizeLinear', 'DynamicQuantizeMatMul'];
/** TensorProto.DataType by number, as far as decoders have them. */
const typeNames: Readonly<Record<number, string>> = {
  1: 'float32',
  6: 'int32',
  7: 'int64',
  10: 'float16',
  16: 'bfloat16',
};

const [float32, float16, int64] = [1, 10, 7];

const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  max_position_embeddings: z.int().positive(),
  vocab_size: z.int().positive(),
  sliding_window: z.int().positive().nullish(),
  use_sliding_window: z.boolean().nullish(),
});

/** Looks at a stock decoder. Throws inputError for a graph that can't be decoded with, naming what it is. */
export function readStock({ file, folder }: StockPlace): StockModel {
  const config = readConfig(folder);
  const header = readOnnxHeader(file);
  const { inputs, outputs, operators } = header;
  const key = checkLayout(header, file);
  const neighbours = acrossRows.find((operator) => operators.has(operator));
  if (neighbours !== undefined) {
    throw refusal(
      file,
      `its ${neighbours} takes one scale for all rows, so that a text depended on its neighbours`,
    );
  }
  const [, kvHeads, , headSize] = key.shape;
  if (kvHeads === undefined || headSize === undefined) {
    throw refusal(file, `its input ${key.name} doesn't say how many heads there are, and how large`);
  }
  const positions = inputs.some(({ name }) => name === 'position_ids');
  const windowed = config.sliding_window != null && config.use_sliding_window !== false;
  return {
    file,
    architecture: config.architectures[0] as string,
    layers: outputs.filter(({ name }) => /^present\.\d+\.key$/.test(name)).length,
    kvHeads,
    headSize,
    cacheType: key.type === float16 ? 'float16' : 'float32',
    vocabulary: outputs.find(({ name }) => name === 'logits')?.shape[2] ?? config.vocab_size,
    context: config.max_position_embeddings,
    positions,
    // GroupQueryAttention takes the sum of attention_mask for a length; windows count columns
    batched: positions && !windowed && !operators.has('GroupQueryAttention'),
    bytes: stockDataFiles(file).reduce((sum, name) => sum + sizeOf(name), 0),
  };
}

/** sha256 over config.json, the ONNX file and its external data. */
export function stockFingerprint({ file, folder }: StockPlace): string {
  const hash = createHash('sha256');
  hash.update(readFileSync(join(folder, 'config.json')));
  for (const name of stockDataFiles(file)) {
    const data = BinaryFile.open(name);
    try {
      hash.update(`${data.size}`);
      data.forEachChunk((bytes) => hash.update(bytes));
    } finally {
      data.close();
    }
  }
  return hash.digest('hex');
}

/** The ONNX file, and what external data has such a name: model.onnx_data, model.onnx_data_1, model.onnx.data. */
export function stockDataFiles(file: string): string[] {
  const folder = dirname(file);
  const names = readdirSync(folder).filter((name) => name.startsWith(basename(file)));
  return names.sort().map((name) => join(folder, name));
}

function sizeOf(path: string): number {
  const file = BinaryFile.open(path);
  file.close();
  return file.size;
}

function readConfig(folder: string): z.infer<typeof configSchema> {
  const file = join(folder, 'config.json');
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw unreadable(error, `The model's ${file}`, 'Download the model again.');
  }
  const parsed = configSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw inputError(
    configFault(file, json, parsed.error),
    'A stock ONNX decoder needs architectures, vocab_size and max_position_embeddings there.',
  );
}

/** That inputs and outputs are those of the layout; returns the first layer's keys. */
function checkLayout({ inputs, outputs }: OnnxHeader, file: string): OnnxValue {
  const layers = inputs.filter(({ name }) => /^past_key_values\.\d+\.key$/.test(name)).length;
  const numbers = Array.from({ length: Math.max(layers, 1) }, (_, layer) => layer);
  const kinds = numbers.flatMap((layer) => [`${layer}.key`, `${layer}.value`]);
  const wanted = [...['input_ids', 'attention_mask'], ...kinds.map((kind) => `past_key_values.${kind}`)];
  const known = new Set([...wanted, 'position_ids']);
  const given = ['logits', ...kinds.map((kind) => `present.${kind}`)];
  const missing = wanted.find((name) => !inputs.some((input) => input.name === name));
  if (missing !== undefined) throw refusal(file, `it has no input ${missing}`);
  const other = inputs.find(({ name }) => !known.has(name));
  if (other !== undefined) throw refusal(file, `it has another input, ${other.name}`);
  const absent = given.find((name) => !outputs.some((output) => output.name === name));
  if (absent !== undefined) throw refusal(file, `it has no output ${absent}`);
  const key = inputs.find(({ name }) => name === 'past_key_values.0.key') as OnnxValue;
  for (const { name, type } of [...inputs, ...outputs.filter((output) => given.includes(output.name))]) {
    const expected = typesOf(name, key);
    if (!expected.includes(type)) {
      const names = expected.map((number) => typeNames[number]).join(' or ');
      throw refusal(file, `its ${name} is ${typeNames[type] ?? `the type ${type}`}, expected ${names}`);
    }
  }
  return key;
}

/** Types that an input or output may have; all keys and values have one. */
function typesOf(name: string, key: OnnxValue): number[] {
  if (name === key.name || name === 'logits') return [float32, float16];
  return /^(past_key_values|present)\./.test(name) ? [key.type] : [int64];
}

function refusal(file: string, why: string) {
  return inputError(
    `The ONNX decoder ${file} isn't supported: ${why}`,
    'Supported is the layout of onnx-community: input_ids, attention_mask, position_ids and past_key_values.N.key and ' +
      '.value in, logits and present.N.key and .value out, keys, values and logits in float32 or float16.',
  );
}
