import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { inputError } from '../errors.js';
import { unreadable } from '../unreadable.js';

/** Bytes that are held while a file is read from beginning to end. */
const chunkSize = 1 << 24;

/** A file of weights, read by ranges: it may be larger than memory, and than the 2 GiB that readFileSync takes. */
export class BinaryFile {
  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    /** Bytes. */
    readonly size: number,
  ) {}

  /** Throws as `unreadable` says when the file can't be opened. */
  static open(path: string): BinaryFile {
    try {
      const descriptor = openSync(path, 'r');
      return new BinaryFile(path, descriptor, fstatSync(descriptor).size);
    } catch (error) {
      throw unreadable(error, `The weights ${path}`, 'Check model.path.');
    }
  }

  /** Fills `into` from byte `position` on. Throws inputError when the file ends before. */
  read(into: Buffer, position: number): void {
    let done = 0;
    while (done < into.length) {
      const most = Math.min(into.length - done, 1 << 30);
      const read = readSync(this.descriptor, into, done, most, position + done);
      if (read === 0) {
        throw inputError(`${this.path} ended while it was read`, 'Is something replacing the file?');
      }
      done += read;
    }
  }

  /** Gives the whole file to `use`, in chunks that are valid until it returns. */
  forEachChunk(use: (bytes: Uint8Array) => void): void {
    const chunk = Buffer.allocUnsafeSlow(Math.min(chunkSize, this.size));
    for (let at = 0; at < this.size; at += chunkSize) {
      const part = chunk.subarray(0, Math.min(chunkSize, this.size - at));
      this.read(part, at);
      use(part);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
