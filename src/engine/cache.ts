/**
 * The KV cache of a batch: per layer and kind one array [B, kvHeads, width, headSize], B = active sequences.
 *
 * The model reads the cache and writes cache ++ new rows into a second set of arrays; the two sets change places at
 * every step. Rejected rows stay as holes that the bias masks; when holes make the width exceed the longest sequence
 * by `slack` columns, or when room is needed, all sequences are packed again.
 */

/** A bias that hides a column. Not -infinity: a row that sees nothing (padding) must not become NaN. */
export const hidden = -10_000;

export interface CacheShape {
  /** Arrays a set: layers * 2. */
  arrays: number;
  kvHeads: number;
  headSize: number;
}

interface Sequence {
  /** Physical columns of the cached tokens, in the order of their positions. */
  columns: number[];
  /** The bias of each physical column: 0 or `hidden`. */
  mask: Float32Array;
}

export class KvCache {
  /** Physical columns in use, the same for every sequence. */
  width = 0;
  private capacity = 0;
  private current: Float32Array[] = [];
  private next: Float32Array[] = [];
  private readonly sequences: Sequence[] = [];

  constructor(
    private readonly shape: CacheShape,
    private readonly slots: number,
    private readonly slack = 48,
  ) {}

  get batch(): number {
    return this.sequences.length;
  }

  /** Cached tokens of a sequence. */
  length(index: number): number {
    return this.at(index).columns.length;
  }

  /** The bias of the cached columns, [width]. */
  mask(index: number): Float32Array {
    return this.at(index).mask.subarray(0, this.width);
  }

  /** Arrays to read from, each [batch, kvHeads, width, headSize]. */
  past(): Float32Array[] {
    return this.views(this.current, this.width);
  }

  /** Makes room for `rows` new columns and returns the arrays to write to: [batch, kvHeads, width + rows, headSize]. */
  beginStep(rows: number): Float32Array[] {
    const longest = this.longest();
    if (this.width - longest > this.slack) this.pack(longest);
    this.reserve(this.width + rows);
    return this.views(this.next, this.width + rows);
  }

  /** The model has written `rows` new columns: they are holes until `keep` claims them. */
  endStep(rows: number): void {
    [this.current, this.next] = [this.next, this.current];
    for (const { mask } of this.sequences) mask.fill(hidden, this.width, this.width + rows);
    this.width += rows;
  }

  /** Claims columns of the last step, given as offsets into its `rows` new columns. */
  keep(index: number, offsets: readonly number[], rows: number): void {
    const { columns, mask } = this.at(index);
    const start = this.width - rows;
    for (const offset of offsets) {
      columns.push(start + offset);
      mask[start + offset] = 0;
    }
  }

  /** Appends a sequence whose `length` cached tokens are given as arrays [kvHeads, length, headSize]. */
  append(source: readonly Float32Array[], length: number): void {
    // a prompt of one token caches nothing, but its sequence needs the arrays all the same
    this.reserve(1);
    if (length > this.width) this.pack(Math.max(length, this.longest()));
    const { kvHeads, headSize } = this.shape;
    const index = this.batch;
    for (let a = 0; a < this.shape.arrays; a++) {
      const from = source[a] as Float32Array;
      const to = this.current[a] as Float32Array;
      for (let h = 0; h < kvHeads; h++) {
        const rows = from.subarray(h * length * headSize, (h + 1) * length * headSize);
        to.set(rows, (index * kvHeads + h) * this.width * headSize);
      }
    }
    const mask = new Float32Array(this.capacity).fill(hidden);
    mask.fill(0, 0, length);
    this.sequences.push({ columns: Array.from({ length }, (_, i) => i), mask });
  }

  /** Removes a sequence; the last one takes its place. */
  remove(index: number): void {
    const last = this.batch - 1;
    const size = this.shape.kvHeads * this.width * this.shape.headSize;
    if (index !== last) {
      for (const array of this.current) array.copyWithin(index * size, last * size, (last + 1) * size);
      this.sequences[index] = this.at(last);
    }
    this.sequences.pop();
    if (this.batch === 0) this.width = 0;
  }

  private at(index: number): Sequence {
    const sequence = this.sequences[index];
    if (sequence === undefined) throw new Error(`no sequence ${index} among ${this.batch}`);
    return sequence;
  }

  private longest(): number {
    return this.sequences.reduce((most, { columns }) => Math.max(most, columns.length), 0);
  }

  private views(arrays: readonly Float32Array[], width: number): Float32Array[] {
    const size = this.batch * this.shape.kvHeads * width * this.shape.headSize;
    return arrays.map((array) => array.subarray(0, size));
  }

  /** Moves every sequence's tokens to columns 0, 1, 2, ... of arrays that are `width` columns wide. */
  private pack(width: number): void {
    this.reserve(width);
    const { kvHeads, headSize } = this.shape;
    this.sequences.forEach(({ columns }, index) => {
      const runs = consecutive(columns);
      for (let a = 0; a < this.shape.arrays; a++) {
        const from = this.current[a] as Float32Array;
        const to = this.next[a] as Float32Array;
        for (let h = 0; h < kvHeads; h++) {
          const source = (index * kvHeads + h) * this.width;
          const target = (index * kvHeads + h) * width;
          for (const [column, place, count] of runs) {
            copy(from, (source + column) * headSize, to, (target + place) * headSize, count * headSize);
          }
        }
      }
    });
    for (const { columns, mask } of this.sequences) {
      for (let i = 0; i < columns.length; i++) columns[i] = i;
      mask.fill(hidden);
      mask.fill(0, 0, columns.length);
    }
    [this.current, this.next] = [this.next, this.current];
    this.width = width;
  }

  /** Grows both sets of arrays to hold `width` columns. The arrays' layout is packed, so a longer array is enough. */
  private reserve(width: number): void {
    if (width <= this.capacity) return;
    this.capacity = Math.ceil((width * 1.25) / 64) * 64;
    const size = this.slots * this.shape.kvHeads * this.capacity * this.shape.headSize;
    const old = this.current;
    this.current = Array.from({ length: this.shape.arrays }, () => new Float32Array(size));
    this.next = Array.from({ length: this.shape.arrays }, () => new Float32Array(size));
    for (let a = 0; a < old.length; a++) (this.current[a] as Float32Array).set(old[a] as Float32Array);
    for (const sequence of this.sequences) {
      const mask = new Float32Array(this.capacity).fill(hidden);
      mask.set(sequence.mask);
      sequence.mask = mask;
    }
  }
}

/** Runs of consecutive columns as [first column, place of the first in the list, how many]. */
function consecutive(columns: readonly number[]): [number, number, number][] {
  const runs: [number, number, number][] = [];
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as number;
    const run = runs[runs.length - 1];
    if (run !== undefined && run[0] + run[2] === column) run[2]++;
    else runs.push([column, i, 1]);
  }
  return runs;
}

/** A loop beats `set(subarray())` for the short runs that a step keeps. */
function copy(from: Float32Array, source: number, to: Float32Array, target: number, count: number): void {
  if (count > 1024) {
    to.set(from.subarray(source, source + count), target);
    return;
  }
  for (let i = 0; i < count; i++) to[target + i] = from[source + i] as number;
}
