/** Memory of our own that an engine asks for, and how sizes are written. */
import { runError } from '../errors.js';

/** float32 numbers, or the bits of float16 ones. */
export type FloatArray = Float32Array | Uint16Array;
export type FloatType = 'float32' | 'float16';

/** Bytes of a number. */
export const floatBytes: Record<FloatType, number> = { float32: 4, float16: 2 };

/**
 * Arrays of zeros. Throws runError when memory isn't enough for all of them.
 * @param what they are, for the error: `The cache of keys and values of 16 texts`
 */
export function allocateFloats(type: FloatType, arrays: number, length: number, what: string): FloatArray[] {
  const make = type === 'float32' ? () => new Float32Array(length) : () => new Uint16Array(length);
  try {
    return Array.from<unknown, FloatArray>({ length: arrays }, make);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw runError(
      `Memory isn't enough: ${what} takes ${mebibytes(arrays * length * floatBytes[type])}`,
      'Lower decode.concurrency, or give the process more memory.',
      error,
    );
  }
}

/** `1,536 MiB`, rounded up. */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
}
