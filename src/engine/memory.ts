/** Memory of our own that an engine asks for, and how sizes are written. */
import { runError } from '../errors.js';

/**
 * Arrays of zeros. Throws runError when memory isn't enough for all of them.
 * @param what they are, for the error: `The cache of keys and values of 16 texts`
 */
export function allocateFloats(arrays: number, length: number, what: string): Float32Array<ArrayBuffer>[] {
  try {
    return Array.from({ length: arrays }, () => new Float32Array(length));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const bytes = arrays * length * Float32Array.BYTES_PER_ELEMENT;
    throw runError(
      `Memory isn't enough: ${what} takes ${mebibytes(bytes)}`,
      'Lower decode.concurrency, or give the process more memory.',
      error,
    );
  }
}

/** `1,536 MiB`, rounded up. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}
