import { inputError } from '../errors.js';
import type { BinaryFile } from '../model/binary-file.js';
import { Cursor } from './cursor.js';
import { type TensorType, tensorType } from './types.js';

export type MetadataValue = number | boolean | string | readonly MetadataValue[];

export interface GgufTensor {
  name: string;
  type: TensorType;
  /** Row-major: the axis whose elements lie side by side is the last (GGUF itself names it first). */
  shape: readonly number[];
  /** First byte in the file, and how many. */
  start: number;
  bytes: number;
}

export interface GgufHeader {
  metadata: ReadonlyMap<string, MetadataValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
  /** Bytes of the header: the metadata and the list of tensors. */
  size: number;
}

const magic = 0x46554747; // GGUF
const versions = [2, 3];
const mostAxes = 4;
const deepest = 4;

/**
 * Reads the header of a GGUF file: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 * Throws inputError for another kind of file, a truncated one, and one with tensors of a type that can't be read.
 *
 * Why not @huggingface/gguf 0.4.6: it takes what a truncated file lacks for zeros (a file cut after 24 bytes has 272
 * tensors without names there), and leaves out a U+FEFF at the beginning of a token, which is one in Llama's vocabulary.
 */
export function readHeader(file: BinaryFile): GgufHeader {
  const cursor = new Cursor(file);
  if (file.size < 4 || cursor.u32() !== magic) {
    throw inputError(
      `${file.path} is no GGUF file: it doesn't begin with the letters GGUF`,
      'Check the path.',
    );
  }
  const version = cursor.u32();
  if (!versions.includes(version)) {
    throw inputError(
      `${file.path} ${version > 65_535 && version % 65_536 === 0 ? 'is a big-endian GGUF file' : `has GGUF's version ${version}`}; ` +
        `little-endian files of the versions ${versions.join(' and ')} are supported`,
      'Convert the model again with a current llama.cpp.',
    );
  }
  // the shortest entries: an empty name, a type and one byte; an empty name, no axis, a type and a place
  const tensorCount = cursor.count('tensors', 24);
  const metadataCount = cursor.count('entries of metadata', 13);
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.string();
    if (metadata.has(key)) throw cursor.broken(`the key "${key}" stands in it twice`);
    metadata.set(key, readValue(cursor, cursor.u32(), key, 0));
  }
  const listed = Array.from({ length: tensorCount }, () => readEntry(cursor));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || !Number.isInteger(alignment)) {
    throw cursor.broken(`general.alignment is ${String(alignment)}`);
  }
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { metadata, tensors: place(listed, dataStart, file, cursor), size: cursor.position };
}

/** Readers of the value types by their number, with the fewest bytes that a value takes. */
const readers: readonly { bytes: number; read: (cursor: Cursor) => MetadataValue }[] = [
  { bytes: 1, read: (cursor) => cursor.u8() },
  { bytes: 1, read: (cursor) => cursor.i8() },
  { bytes: 2, read: (cursor) => cursor.u16() },
  { bytes: 2, read: (cursor) => cursor.i16() },
  { bytes: 4, read: (cursor) => cursor.u32() },
  { bytes: 4, read: (cursor) => cursor.i32() },
  { bytes: 4, read: (cursor) => cursor.f32() },
  { bytes: 1, read: (cursor) => cursor.u8() !== 0 },
  { bytes: 8, read: (cursor) => cursor.string() },
  { bytes: 12, read: () => [] }, // an array: see readValue
  { bytes: 8, read: (cursor) => cursor.u64() },
  { bytes: 8, read: (cursor) => cursor.i64() },
  { bytes: 8, read: (cursor) => cursor.f64() },
];
const arrayType = 9;

function readValue(cursor: Cursor, type: number, key: string, depth: number): MetadataValue {
  if (type !== arrayType) return readerOf(cursor, type, key).read(cursor);
  if (depth === deepest) throw cursor.broken(`"${key}" holds lists within lists within lists`);
  const elementType = cursor.u32();
  const { bytes } = readerOf(cursor, elementType, key);
  const length = cursor.count(`elements of "${key}"`, bytes);
  return Array.from({ length }, () => readValue(cursor, elementType, key, depth + 1));
}

function readerOf(cursor: Cursor, type: number, key: string) {
  const reader = readers[type];
  if (reader === undefined) throw cursor.broken(`"${key}" has a value of the unknown type ${type}`);
  return reader;
}

interface TensorEntry {
  name: string;
  shape: number[];
  type: number;
  offset: number;
}

function readEntry(cursor: Cursor): TensorEntry {
  const name = cursor.string();
  const axes = cursor.u32();
  if (axes > mostAxes) throw cursor.broken(`tensor "${name}" has ${axes} axes`);
  const shape = Array.from({ length: axes }, () => cursor.u64()).reverse();
  return { name, shape, type: cursor.u32(), offset: cursor.u64() };
}

function place(
  entries: readonly TensorEntry[],
  dataStart: number,
  file: BinaryFile,
  cursor: Cursor,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { name, shape, type: number, offset } of entries) {
    if (tensors.has(name)) throw cursor.broken(`the tensor "${name}" stands in it twice`);
    const type = tensorType(number, name, file.path);
    const elements = shape.reduce((product, size) => product * size, 1);
    const row = shape.at(-1) ?? 1;
    if (elements === 0 || row % type.elements !== 0) {
      throw cursor.broken(
        `tensor "${name}" has the shape [${shape.join(', ')}], which is no whole number of ${type.name} blocks`,
      );
    }
    const bytes = (elements / type.elements) * type.bytes;
    const start = dataStart + offset;
    if (!Number.isSafeInteger(start + bytes) || start + bytes > file.size) {
      throw cursor.broken(`tensor "${name}" ends at byte ${start + bytes} of ${file.size}`);
    }
    tensors.set(name, { name, type, shape, start, bytes });
  }
  return tensors;
}
