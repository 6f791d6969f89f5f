import { inputError } from '../errors.js';
import type { BinaryFile } from '../model/binary-file.js';

/** A header of the largest vocabularies takes some 20 MB; more is no header. */
const largestHeader = 200_000_000;
const windowSize = 1 << 20;

/** Reads the values of a GGUF header one after another, little-endian; every length is checked before it is used. */
export class Cursor {
  private window: Buffer = Buffer.alloc(0);
  private windowStart = 0;
  /** Byte of the file that is read next. */
  position = 0;

  constructor(private readonly file: BinaryFile) {}

  u8(): number {
    return this.take(1).readUInt8(0);
  }

  i8(): number {
    return this.take(1).readInt8(0);
  }

  u16(): number {
    return this.take(2).readUInt16LE(0);
  }

  i16(): number {
    return this.take(2).readInt16LE(0);
  }

  u32(): number {
    return this.take(4).readUInt32LE(0);
  }

  i32(): number {
    return this.take(4).readInt32LE(0);
  }

  f32(): number {
    return this.take(4).readFloatLE(0);
  }

  f64(): number {
    return this.take(8).readDoubleLE(0);
  }

  /** As a number: beyond 2^53, where no size of a real file lies, the last digits are lost. */
  u64(): number {
    return Number(this.take(8).readBigUInt64LE(0));
  }

  i64(): number {
    return Number(this.take(8).readBigInt64LE(0));
  }

  /** 8 bytes of length, then UTF-8. */
  string(): string {
    const length = this.u64();
    this.expect(length, 'a text');
    return this.take(length).toString('utf8');
  }

  /** How many of something follow, each of at least `bytes` bytes. Throws when the file can't hold them. */
  count(what: string, bytes: number): number {
    const count = this.u64();
    this.expect(count * bytes, `${count} ${what}`);
    return count;
  }

  /** The error for a file that isn't what it should be. */
  broken(why: string): Error {
    return inputError(
      `${this.file.path} is not a whole GGUF file: ${why}`,
      'Copy or download the model again.',
    );
  }

  private expect(bytes: number, what: string): void {
    const end = this.position + bytes;
    if (end > this.file.size) {
      throw this.broken(
        `at byte ${this.position} it claims ${what} (${bytes} bytes), the file has ${this.file.size}`,
      );
    }
    if (end > largestHeader) throw this.broken(`its header goes on beyond ${largestHeader} bytes`);
  }

  /** The next `length` bytes, which are passed over. */
  private take(length: number): Buffer {
    this.expect(length, 'a value');
    const end = this.position + length;
    if (end > this.windowStart + this.window.length) {
      const size = Math.min(Math.max(windowSize, length), this.file.size - this.position);
      this.window = Buffer.allocUnsafeSlow(size);
      this.windowStart = this.position;
      this.file.read(this.window, this.position);
    }
    const start = this.position - this.windowStart;
    this.position = end;
    return this.window.subarray(start, start + length);
  }
}
