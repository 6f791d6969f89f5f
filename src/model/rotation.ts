/**
 * A rotation of the residual stream (QuaRot, arXiv 2404.00456, without its rotations at run time). RMS norms don't see
 * it when their gains stand in the weights behind them, so it costs nothing in a step; and it spreads the few channels
 * that are many times as large as the others over all of them, which is what int8 rows need.
 */

/** Orthogonal: random signs, then Hadamard transforms of a power of two, then a cosine transform across them. */
export class Rotation {
  /** Largest power of two that divides the size, and what remains of it. */
  private readonly power: number;
  private readonly rest: number;
  private readonly signs: Int8Array;
  /** DCT-II, [rest, rest], orthonormal. */
  private readonly cosines: Float64Array;

  constructor(readonly size: number) {
    this.power = size & -size;
    this.rest = size / this.power;
    this.signs = randomSigns(size);
    const { rest } = this;
    this.cosines = Float64Array.from({ length: rest * rest }, (_, at) => {
      const [frequency, place] = [Math.floor(at / rest), at % rest];
      const scale = Math.sqrt((frequency === 0 ? 1 : 2) / rest);
      return scale * Math.cos((Math.PI * frequency * (place + 0.5)) / rest);
    });
  }

  /** Rotates in place along the first axis of [size, inner]. */
  rotate(values: Float32Array, inner: number): void {
    const { size, power, signs } = this;
    for (let row = 0; row < size; row++) {
      const factor = (signs[row] as number) / Math.sqrt(power);
      for (let at = row * inner; at < (row + 1) * inner; at++) values[at] = (values[at] as number) * factor;
    }
    for (let half = 1; half < power; half *= 2) {
      for (let start = 0; start < size; start += half * 2) {
        for (let at = start * inner; at < (start + half) * inner; at++) {
          const [first, second] = [values[at] as number, values[at + half * inner] as number];
          values[at] = first + second;
          values[at + half * inner] = first - second;
        }
      }
    }
    if (this.rest > 1) this.mix(values, inner);
  }

  /** The matrix that turns rotated rows back: rows x it, [size, size]. */
  inverse(): Float32Array {
    const { size } = this;
    const identity = Float32Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? 1 : 0));
    // a row e_i becomes row i of Q when all rows are rotated: rotating the first axis gives the transpose, Q^-1
    this.rotate(identity, size);
    return identity;
  }

  /** The cosine transform across the blocks of `power`. */
  private mix(values: Float32Array, inner: number): void {
    const { power, rest, cosines } = this;
    const width = power * inner;
    const column = new Float64Array(rest);
    for (let at = 0; at < width; at++) {
      for (let block = 0; block < rest; block++) column[block] = values[block * width + at] as number;
      for (let frequency = 0; frequency < rest; frequency++) {
        let sum = 0;
        for (let block = 0; block < rest; block++) {
          sum += (cosines[frequency * rest + block] as number) * (column[block] as number);
        }
        values[frequency * width + at] = sum;
      }
    }
  }
}

/** The same ones for the same size, always: prepared models are the same wherever they are made. */
function randomSigns(size: number): Int8Array {
  let state = 0x9e3779b9;
  return Int8Array.from({ length: size }, () => {
    // xorshift32 (Marsaglia, 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0x10000 ? 1 : -1;
  });
}
