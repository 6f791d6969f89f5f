import { inputError } from '../errors.js';
import { BinaryFile } from '../model/binary-file.js';
import { type GgufHeader, type GgufTensor, readHeader } from './header.js';

/** Bytes of blocks that are held while a tensor is turned into floats. */
const chunkSize = 1 << 22;

/** A GGUF file opened for reading some rows of one tensor at a time. */
export class GgufFile {
  private constructor(
    private readonly file: BinaryFile,
    readonly header: GgufHeader,
  ) {}

  /** Throws inputError for a file that is missing, no GGUF file, truncated, or of types that can't be read. */
  static open(path: string): GgufFile {
    const file = BinaryFile.open(path);
    try {
      return new GgufFile(file, readHeader(file));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get path(): string {
    return this.file.path;
  }

  /** Bytes. */
  get size(): number {
    return this.file.size;
  }

  /**
   * Rows [from, from + count) of a tensor as float32, row-major; the rows of a vector are its elements.
   * Throws inputError when the tensor has another shape.
   */
  readRows(tensor: GgufTensor, shape: readonly number[], from: number, count: number): Float32Array {
    const { name, type } = tensor;
    if (tensor.shape.join() !== shape.join()) {
      throw inputError(
        `${this.path}: tensor "${name}" has the shape [${tensor.shape.join(', ')}], ` +
          `the metadata call for [${shape.join(', ')}]`,
        'The file was made by a faulty conversion.',
      );
    }
    if (shape.length === 1 && count < (shape[0] as number)) {
      return this.readRows(tensor, shape, 0, shape[0] as number).subarray(from, from + count);
    }
    const width = shape.slice(1).reduce((product, size) => product * size, 1);
    const blocks = (width * count) / type.elements;
    const values = new Float32Array(width * count);
    const first = tensor.start + ((width * from) / type.elements) * type.bytes;
    const most = Math.floor(chunkSize / type.bytes);
    const chunk = Buffer.allocUnsafeSlow(Math.min(blocks, most) * type.bytes);
    for (let block = 0; block < blocks; block += most) {
      const part = chunk.subarray(0, Math.min(most, blocks - block) * type.bytes);
      this.file.read(part, first + block * type.bytes);
      type.dequantize(part, values, block * type.elements);
    }
    return values;
  }

  /** The header as it is in the file. */
  headerBytes(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.header.size);
    this.file.read(bytes, 0);
    return bytes;
  }

  forEachChunk(use: (bytes: Uint8Array) => void): void {
    this.file.forEachChunk(use);
  }

  close(): void {
    this.file.close();
  }
}
