import type { CacheShape } from './cache.js';
import { allocateFloats, type FloatArray } from './memory.js';

/** Rows of one prefill run: bounds the memory of the bias and of the intermediate rows. */
const chunkRows = 512;

/** What computes the rows of a prompt. */
export interface Prefill {
  /**
   * Keys and values of the tokens `ids`, which stand behind `past` cached ones, per layer and kind [ids, kvHeads, headSize].
   * @param cache per layer and kind [kvHeads, past, headSize]
   */
  prefill(ids: Int32Array, past: number, cache: readonly FloatArray[]): Promise<readonly FloatArray[]>;
}

/**
 * Computes the keys and values of prompts. It remembers those of the last prompt: prompts come sorted, so the next one
 * often begins with the same instruction, whose rows needn't be computed again.
 */
export class PrefixCache {
  private ids = new Int32Array(0);
  private arrays: FloatArray[];

  constructor(
    private readonly session: Prefill,
    private readonly cacheShape: CacheShape,
  ) {
    this.arrays = this.allocate(0);
  }

  /** Keys and values of `ids`, per layer and kind [kvHeads, ids, headSize]; valid until the next call. */
  async fill(ids: Int32Array): Promise<readonly FloatArray[]> {
    let done = Math.min(commonPrefix(this.ids, ids), ids.length);
    this.arrays = this.narrow(this.arrays, this.ids.length, done);
    this.ids = ids.slice(0, done);
    while (done < ids.length) {
      const rows = Math.min(chunkRows, ids.length - done);
      const target = this.allocate(done + rows);
      const fresh = await this.session.prefill(ids.subarray(done, done + rows), done, this.arrays);
      target.forEach((to, a) => {
        this.join(to, this.arrays[a] as FloatArray, done, fresh[a] as FloatArray, rows);
      });
      this.arrays = target;
      done += rows;
      this.ids = ids.slice(0, done);
    }
    return this.arrays;
  }

  /** Per head: `past` tokens of `old`, then the new rows. */
  private join(to: FloatArray, old: FloatArray, past: number, fresh: FloatArray, rows: number): void {
    const { kvHeads, headSize } = this.cacheShape;
    for (let h = 0; h < kvHeads; h++) {
      const start = h * (past + rows) * headSize;
      to.set(old.subarray(h * past * headSize, (h + 1) * past * headSize), start);
      for (let row = 0; row < rows; row++) {
        const from = (row * kvHeads + h) * headSize;
        to.set(fresh.subarray(from, from + headSize), start + (past + row) * headSize);
      }
    }
  }

  private allocate(length: number): FloatArray[] {
    const { arrays, kvHeads, headSize, type = 'float32' } = this.cacheShape;
    const what = `The cache of keys and values of a prompt of ${length} tokens`;
    return allocateFloats(type, arrays, kvHeads * length * headSize, what);
  }

  /** The first `length` tokens of arrays that hold `from`. */
  private narrow(arrays: FloatArray[], from: number, length: number): FloatArray[] {
    if (from === length) return arrays;
    const { kvHeads, headSize } = this.cacheShape;
    return this.allocate(length).map((to, a) => {
      const source = arrays[a] as FloatArray;
      for (let h = 0; h < kvHeads; h++) {
        const start = h * from * headSize;
        to.set(source.subarray(start, start + length * headSize), h * length * headSize);
      }
      return to;
    });
  }
}

/** How many ids two sequences begin with alike. */
export function commonPrefix(a: Int32Array, b: Int32Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
