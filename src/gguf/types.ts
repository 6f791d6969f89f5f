/** The types of GGUF tensors and what their bytes mean. Layouts: ggml-common.h and ggml-quants.c of llama.cpp. */
import { inputError } from '../errors.js';
import { halfTable } from '../model/half.js';

/** A tensor type: rows are made of blocks of `elements` weights in `bytes` bytes. */
export interface TensorType {
  name: string;
  elements: number;
  bytes: number;
  /** Writes the weights of whole blocks, as many as `source` holds, as float32 to `target` from `to` on. */
  dequantize: (source: Uint8Array, target: Float32Array, to: number) => void;
}

/** Writes the weights of the block at `from` to `to`. */
type DecodeBlock = (source: Uint8Array, from: number, target: Float32Array, to: number) => void;

/** The type with this number. Throws inputError, naming the tensor, when it can't be read. */
export function tensorType(number: number, tensor: string, file: string): TensorType {
  const type = types.get(number);
  if (type !== undefined) return type;
  throw inputError(
    `${file}: tensor "${tensor}" has the type ${otherTypes[number] ?? `number ${number}`}; supported are ` +
      [...types.values()].map(({ name }) => name).join(', '),
    'Take a file of the model in one of these types: Q4_K_M and Q8_0 are made of them.',
  );
}

const half = halfTable();

function u16(source: Uint8Array, at: number): number {
  return (source[at] as number) | ((source[at + 1] as number) << 8);
}

function u32(source: Uint8Array, at: number): number {
  return (u16(source, at) | (u16(source, at + 2) << 16)) >>> 0;
}

function f16(source: Uint8Array, at: number): number {
  return half[u16(source, at)] as number;
}

function i8(source: Uint8Array, at: number): number {
  return ((source[at] as number) << 24) >> 24;
}

/**
 * Q4_0, Q4_1, Q5_0 and Q5_1: 32 weights, scale * q + minimum. The low halves of 16 bytes hold the first 16 values'
 * lower four bits, the high halves the others'; of 5-bit values the fifth bits stand before, in one number. Without
 * a minimum of its own (the `_0` types) a value is meant from -8 or -16 on.
 */
function simple(valueBits: 4 | 5, withMinimum: boolean): DecodeBlock {
  const fifthBits = withMinimum ? 4 : 2;
  const nibbles = fifthBits + (valueBits === 5 ? 4 : 0);
  return (source, from, target, to) => {
    const scale = f16(source, from);
    const minimum = withMinimum ? f16(source, from + 2) : -scale * 2 ** (valueBits - 1);
    const fifth = valueBits === 5 ? u32(source, from + fifthBits) : 0;
    for (let i = 0; i < 16; i++) {
      const byte = source[from + nibbles + i] as number;
      const low = (byte & 15) | (((fifth >>> i) & 1) << 4);
      const high = (byte >> 4) | (((fifth >>> (i + 16)) & 1) << 4);
      target[to + i] = scale * low + minimum;
      target[to + 16 + i] = scale * high + minimum;
    }
  };
}

/** 32 weights: one scale, then signed bytes. */
function q8(source: Uint8Array, from: number, target: Float32Array, to: number): void {
  const scale = f16(source, from);
  for (let i = 0; i < 32; i++) target[to + i] = scale * i8(source, from + 2 + i);
}

/**
 * Q4_K and Q5_K: 256 weights in eight groups of 32. A group has a scale and a minimum of six bits, both packed into
 * twelve bytes and multiplied by the block's own. Pairs of groups share 32 bytes: the low halves are the first's.
 */
function grouped(valueBits: 4 | 5): DecodeBlock {
  const nibbles = 16 + (valueBits === 5 ? 32 : 0);
  return (source, from, target, to) => {
    const scale = f16(source, from);
    const minimum = f16(source, from + 2);
    for (let group = 0; group < 8; group++) {
      const groupScale = scale * packedScale(source, from + 4, group);
      const groupMinimum = minimum * packedMinimum(source, from + 4, group);
      const values = from + nibbles + 32 * (group >> 1);
      const shift = group % 2 === 0 ? 0 : 4;
      for (let i = 0; i < 32; i++) {
        let value = ((source[values + i] as number) >> shift) & 15;
        if (valueBits === 5) value |= (((source[from + 16 + i] as number) >> group) & 1) << 4;
        target[to + 32 * group + i] = groupScale * value - groupMinimum;
      }
    }
  };
}

/** Bytes 0 to 3: six bits of groups 0 to 3, above them two bits of groups 4 to 7, whose others are in bytes 8 to 11. */
function packedScale(source: Uint8Array, at: number, group: number): number {
  if (group < 4) return (source[at + group] as number) & 63;
  return ((source[at + group + 4] as number) & 15) | (((source[at + group - 4] as number) >> 6) << 4);
}

/** As the scales, four bytes further on; the others of groups 4 to 7 are the high halves of bytes 8 to 11. */
function packedMinimum(source: Uint8Array, at: number, group: number): number {
  if (group < 4) return (source[at + group + 4] as number) & 63;
  return ((source[at + group + 4] as number) >> 4) | (((source[at + group] as number) >> 6) << 4);
}

/**
 * 256 weights in two halves, each of four groups of 32: four low bits of each value in 64 bytes (groups 0 and 1 the
 * low halves, 2 and 3 the high ones), two high bits in 32 bytes; a signed scale for every 16 weights; the block's
 * own scale at the end. Values are meant from -32 on.
 */
function q6k(source: Uint8Array, from: number, target: Float32Array, to: number): void {
  const scale = f16(source, from + 208);
  for (let group = 0; group < 8; group++) {
    const [side, part] = [group >> 2, group & 3];
    const low = from + 64 * side + 32 * (part & 1);
    const high = from + 128 + 32 * side;
    for (let i = 0; i < 32; i++) {
      const four = ((source[low + i] as number) >> (part < 2 ? 0 : 4)) & 15;
      const two = ((source[high + i] as number) >> (2 * part)) & 3;
      const groupScale = scale * i8(source, from + 192 + 2 * group + (i >> 4));
      target[to + 32 * group + i] = groupScale * ((four | (two << 4)) - 32);
    }
  }
}

function f32(source: Uint8Array, target: Float32Array, to: number): void {
  new Uint8Array(target.buffer, target.byteOffset + 4 * to).set(source);
}

function f16s(source: Uint8Array, target: Float32Array, to: number): void {
  for (let from = 0; from < source.length; from += 2) target[to++] = f16(source, from);
}

/** bfloat16 is the upper half of a float32. */
function bf16(source: Uint8Array, target: Float32Array, to: number): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset);
  for (let from = 0; from < source.length; from += 2) bits[to++] = u16(source, from) << 16;
}

function blocks(name: string, elements: number, bytes: number, decode: DecodeBlock): TensorType {
  return {
    name,
    elements,
    bytes,
    dequantize: (source, target, to) => {
      for (let from = 0; from < source.length; from += bytes) {
        decode(source, from, target, to);
        to += elements;
      }
    },
  };
}

const types: ReadonlyMap<number, TensorType> = new Map([
  [0, { name: 'F32', elements: 1, bytes: 4, dequantize: f32 }],
  [1, { name: 'F16', elements: 1, bytes: 2, dequantize: f16s }],
  [30, { name: 'BF16', elements: 1, bytes: 2, dequantize: bf16 }],
  [8, blocks('Q8_0', 32, 34, q8)],
  [2, blocks('Q4_0', 32, 18, simple(4, false))],
  [3, blocks('Q4_1', 32, 20, simple(4, true))],
  [6, blocks('Q5_0', 32, 22, simple(5, false))],
  [7, blocks('Q5_1', 32, 24, simple(5, true))],
  [12, blocks('Q4_K', 256, 144, grouped(4))],
  [13, blocks('Q5_K', 256, 176, grouped(5))],
  [14, blocks('Q6_K', 256, 210, q6k)],
]);

/** Names of the other types, for errors. */
const otherTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
};
