import { inputError, messageOf } from '../errors.js';
import { BinaryFile } from './binary-file.js';
import { halfTable } from './half.js';
import type { StoredTensor } from './source.js';

/** https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes. */
interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Types that can be read. A map, since a file may name any type, `constructor` too. */
const bytesPerElement: ReadonlyMap<string, number> = new Map([
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
]);
const largestHeader = 100_000_000;

/** A safetensors file opened for reading one tensor at a time; every size is checked before anything is allocated. */
export class Safetensors {
  private constructor(
    private readonly file: BinaryFile,
    private readonly dataStart: number,
    private readonly entries: Map<string, TensorEntry>,
  ) {}

  /** Throws inputError when the file is truncated or isn't a safetensors file. */
  static open(path: string): Safetensors {
    const file = BinaryFile.open(path);
    try {
      const { entries, dataStart } = readHeader(file);
      return new Safetensors(file, dataStart, entries);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes of the file. */
  get size(): number {
    return this.file.size;
  }

  /** In the order of their bytes. */
  tensors(): StoredTensor[] {
    const all = [...this.entries].map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        return { from, tensor: { name, type: dtype, shape, bytes: to - from } };
      },
    );
    return all.sort((one, other) => one.from - other.from).map(({ tensor }) => tensor);
  }

  /**
   * Rows [from, from + count) of a tensor as float32, in row-major order; the rows of a vector are its elements.
   * Throws inputError when the tensor is missing, has another shape or a type that can't be read.
   */
  readRows(name: string, shape: readonly number[], from: number, count: number): Float32Array {
    const entry = this.entries.get(name);
    if (entry === undefined)
      throw inputError(`${this.file.path} has no tensor "${name}", which its config.json calls for`);
    if (entry.shape.join() !== shape.join()) {
      throw inputError(
        `${this.file.path}: tensor "${name}" has the shape [${entry.shape.join(', ')}], ` +
          `config.json calls for [${shape.join(', ')}]`,
        'The weights and config.json belong to different models.',
      );
    }
    const width = bytesPerElement.get(entry.dtype);
    if (width === undefined) {
      throw inputError(
        `${this.file.path}: tensor "${name}" has the type ${entry.dtype}; F32, F16 and BF16 are supported`,
      );
    }
    const rowBytes = shape.slice(1).reduce((product, size) => product * size, width);
    const bytes = Buffer.allocUnsafeSlow(count * rowBytes);
    const start = this.dataStart + entry.data_offsets[0] + from * rowBytes;
    this.file.read(bytes, start);
    return toFloat32(entry.dtype, bytes);
  }

  /** Gives the whole file to `use`, in chunks that are valid until it returns. */
  forEachChunk(use: (bytes: Uint8Array) => void): void {
    this.file.forEachChunk(use);
  }

  close(): void {
    this.file.close();
  }
}

function readHeader(file: BinaryFile): { entries: Map<string, TensorEntry>; dataStart: number } {
  const broken = (why: string) =>
    inputError(`${file.path} is not a whole safetensors file: ${why}`, 'Copy or download the model again.');
  const fileSize = file.size;
  const prefix = Buffer.alloc(8);
  if (fileSize < 8) throw broken(`it has ${fileSize} bytes`);
  file.read(prefix, 0);
  const headerLength = Number(prefix.readBigUInt64LE(0));
  if (headerLength > largestHeader || 8 + headerLength > fileSize) {
    throw broken(`its header claims ${headerLength} bytes, the file has ${fileSize}`);
  }
  const header = Buffer.alloc(headerLength);
  file.read(header, 8);
  let parsed: unknown;
  try {
    parsed = JSON.parse(header.toString('utf8'));
  } catch (error) {
    throw broken(`its header is no JSON (${messageOf(error)})`);
  }
  if (typeof parsed !== 'object' || parsed === null) throw broken('its header is no JSON object');
  const dataStart = 8 + headerLength;
  const entries = new Map<string, TensorEntry>();
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') continue;
    const problem = entryProblem(entry, fileSize - dataStart);
    if (problem !== undefined) throw broken(`tensor "${name}" ${problem}`);
    entries.set(name, entry as TensorEntry);
  }
  return { entries, dataStart };
}

function entryProblem(entry: unknown, dataSize: number): string | undefined {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Partial<TensorEntry>;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !Array.isArray(offsets))
    return 'has no type, shape or place';
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0))
    return 'has a shape that is no list of sizes';
  const [from, to] = offsets;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from)
    return `lies from byte ${from} to ${to}`;
  const length = shape.reduce((product, size) => product * size, bytesPerElement.get(dtype) ?? Number.NaN);
  // of other types only the place is known here: they are refused when they are read
  if (!Number.isNaN(length) && to - from !== length)
    return `has ${to - from} bytes, its shape calls for ${length}`;
  if (to > dataSize) return `ends at byte ${to} of ${dataSize}: the file is truncated`;
  return undefined;
}

function toFloat32(dtype: string, bytes: Buffer): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const result = new Float32Array(halves.length);
  if (dtype === 'BF16') {
    // bfloat16 is the upper half of a float32
    const bits = new Uint32Array(result.buffer);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
    return result;
  }
  const table = halfTable();
  for (let i = 0; i < halves.length; i++) result[i] = table[halves[i] as number] as number;
  return result;
}
