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
    return this.window.readUInt8(this.take(1));
  }

  i8(): number {
    return this.window.readInt8(this.take(1));
  }

  u16(): number {
    return this.window.readUInt16LE(this.take(2));
  }

  i16(): number {
    return this.window.readInt16LE(this.take(2));
  }

  u32(): number {
    return this.window.readUInt32LE(this.take(4));
  }

  i32(): number {
    return this.window.readInt32LE(this.take(4));
  }

  f32(): number {
    return this.window.readFloatLE(this.take(4));
  }

  f64(): number {
    return this.window.readDoubleLE(this.take(8));
  }

  /** As a number: beyond 2^53, where no size of a real file lies, the last digits are lost. */
  u64(): number {
    return Number(this.window.readBigUInt64LE(this.take(8)));
  }

  i64(): number {
    return Number(this.window.readBigInt64LE(this.take(8)));
  }

  /** 8 bytes of length, then UTF-8. */
  string(): string {
    const length = this.u64();
    this.expect(length, 'a text');
    const start = this.take(length);
    return this.window.toString('utf8', start, start + length);
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

  /** Place in the window of the next `length` bytes, which are passed over. */
  private take(length: number): number {
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
    return start;
  }
}
