/**
 * The KV cache of a batch: per layer and kind one array [B, kvHeads, width, headSize], B = active sequences.
 *
 * The model reads it and gives only the keys and values of a step's new rows; those of accepted rows are written behind
 * the sequence's tokens, so a sequence has no holes. `width` grows and shrinks in whole blocks, because every change of
 * it moves all sequences; columns behind a sequence's end are hidden by the bias.
 */

import { allocateFloats, type FloatArray, type FloatType } from './memory.js';

/** Columns that the width grows by. */
const block = 32;

export interface CacheShape {
  /** Arrays: layers * 2. */
  arrays: number;
  kvHeads: number;
  headSize: number;
  /** float32 if left out. */
  type?: FloatType;
}

export class KvCache {
  /** Columns of every sequence, those behind its end included. */
  width = 0;
  private capacity = 0;
  private arrays: FloatArray[] = [];
  /** Cached tokens of each sequence. */
  private readonly lengths: number[] = [];

  constructor(
    private readonly shape: CacheShape,
    private readonly slots: number,
  ) {}

  get batch(): number {
    return this.lengths.length;
  }

  /** Cached tokens of a sequence. */
  length(index: number): number {
    const length = this.lengths[index];
    if (length === undefined) throw new Error(`no sequence ${index} among ${this.batch}`);
    return length;
  }

  /** Arrays to read from, each [batch, kvHeads, width, headSize]; views that are valid until the cache changes. */
  past(): FloatArray[] {
    const size = this.batch * this.shape.kvHeads * this.width * this.shape.headSize;
    return this.arrays.map((array) => array.subarray(0, size));
  }

  /** One sequence without the columns behind its end, each array [kvHeads, length, headSize]: a copy. */
  one(index: number): FloatArray[] {
    const { arrays, kvHeads, headSize, type = 'float32' } = this.shape;
    const size = this.length(index) * headSize;
    const copies = allocateFloats(type, arrays, kvHeads * size, 'The cache of keys and values of a text');
    return this.arrays.map((array, a) => {
      const copy = copies[a] as FloatArray;
      for (let h = 0; h < kvHeads; h++) {
        const start = (index * kvHeads + h) * this.width * headSize;
        copy.set(array.subarray(start, start + size), h * size);
      }
      return copy;
    });
  }

  /**
   * Appends rows to a sequence. Throws runError when memory isn't enough for them.
   * @param source per array the rows of a step, each [kvHeads, headSize]
   * @param rows which of them, in the order of their positions
   */
  keep(index: number, source: readonly FloatArray[], rows: readonly number[]): void {
    const length = this.length(index);
    this.fit(length + rows.length);
    const { kvHeads, headSize } = this.shape;
    for (let a = 0; a < this.shape.arrays; a++) {
      const from = source[a] as FloatArray;
      const to = this.arrays[a] as FloatArray;
      for (let h = 0; h < kvHeads; h++) {
        const start = ((index * kvHeads + h) * this.width + length) * headSize;
        for (let r = 0; r < rows.length; r++) {
          const at = ((rows[r] as number) * kvHeads + h) * headSize;
          // a loop beats `set(subarray())` for so few numbers
          for (let i = 0; i < headSize; i++) to[start + r * headSize + i] = from[at + i] as number;
        }
      }
    }
    this.lengths[index] = length + rows.length;
  }

  /**
   * Appends a sequence whose `length` cached tokens are given as arrays [kvHeads, length, headSize]. Throws runError when
   * memory isn't enough for it.
   */
  append(source: readonly FloatArray[], length: number): void {
    this.fit(length);
    const { kvHeads, headSize } = this.shape;
    const index = this.batch;
    for (let a = 0; a < this.shape.arrays; a++) {
      const from = source[a] as FloatArray;
      const to = this.arrays[a] as FloatArray;
      for (let h = 0; h < kvHeads; h++) {
        const rows = from.subarray(h * length * headSize, (h + 1) * length * headSize);
        to.set(rows, (index * kvHeads + h) * this.width * headSize);
      }
    }
    this.lengths.push(length);
  }

  /** Removes a sequence; the last one takes its place. */
  remove(index: number): void {
    const last = this.batch - 1;
    const size = this.shape.kvHeads * this.width * this.shape.headSize;
    if (index !== last) {
      for (const array of this.arrays) array.copyWithin(index * size, last * size, (last + 1) * size);
      this.lengths[index] = this.length(last);
    }
    this.lengths.pop();
    this.fit(0);
  }

  /** Makes the width hold `length` tokens and every sequence; two blocks more than that are given back. */
  private fit(length: number): void {
    const longest = Math.max(length, ...this.lengths, 1);
    const width = Math.ceil(longest / block) * block;
    if (width > this.width || width < this.width - 2 * block) this.relayout(width);
  }

  private relayout(width: number): void {
    this.reserve(width);
    const { kvHeads, headSize } = this.shape;
    const parts = this.batch * kvHeads;
    for (const array of this.arrays) {
      for (let i = 0; i < parts; i++) {
        // in place: growing begins at the end, shrinking at the beginning, so that nothing is overwritten unread
        const part = width > this.width ? parts - 1 - i : i;
        const tokens = this.lengths[Math.floor(part / kvHeads)] as number;
        const from = part * this.width * headSize;
        array.copyWithin(part * width * headSize, from, from + tokens * headSize);
      }
    }
    this.width = width;
  }

  /**
   * Allocates for all slots at once; the layout is packed, so longer arrays need no other one. Throws runError when memory
   * isn't enough: what was cached is still there then.
   */
  private reserve(width: number): void {
    if (width <= this.capacity) return;
    const { arrays, kvHeads, headSize, type = 'float32' } = this.shape;
    const capacity = Math.ceil((width * 1.25) / block) * block;
    const what = `The cache of keys and values of ${this.slots} texts of up to ${capacity} tokens each`;
    const larger = allocateFloats(type, arrays, this.slots * kvHeads * capacity * headSize, what);
    for (const [a, array] of this.arrays.entries()) (larger[a] as FloatArray).set(array);
    this.arrays = larger;
    this.capacity = capacity;
  }
}
