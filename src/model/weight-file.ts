import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { WeightLocation } from './onnx.js';

/** ONNX Runtime maps external data into memory: every weight starts at a page. */
const alignment = 4096;
/** Of one write: system calls take less than 2 GiB. */
const largestWrite = 1 << 30;

/** The file of a graph's external data, written a part at a time. */
export class WeightFile {
  readonly locations = new Map<string, WeightLocation>();
  private readonly descriptor: number;
  private end = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, 'w');
  }

  /** Gives a weight of `length` bytes its place, behind those before. */
  reserve(name: string, length: number): WeightLocation {
    const location = { offset: this.end, length };
    this.locations.set(name, location);
    this.end += Math.ceil(length / alignment) * alignment;
    return location;
  }

  /** Writes numbers of a weight, from its byte `at` on. */
  write({ offset }: WeightLocation, at: number, values: ArrayBufferView): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    let done = 0;
    // a write can be cut short, on a disk that is nearly full for one: the next call then tells why
    while (done < bytes.length) {
      const part = Math.min(bytes.length - done, largestWrite);
      done += writeSync(this.descriptor, bytes, done, part, offset + at + done);
    }
  }

  sync(): void {
    fsyncSync(this.descriptor);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
