import { type CacheShape, KvCache } from './cache.js';
import type { StepInput, TreeRows } from './engine.js';
import type { FloatArray } from './memory.js';
import { type Prefill, PrefixCache } from './prefix.js';

/** The sequences of an engine whose KV cache lies in our memory: which slot each of them has. */
export class CachedSequences {
  readonly cache: KvCache;
  private readonly prefix: PrefixCache;
  private readonly order: number[] = [];

  /** @param context positions of a sequence */
  constructor(
    prefill: Prefill,
    shape: CacheShape,
    private readonly slots: number,
    private readonly context: number,
  ) {
    this.cache = new KvCache(shape, slots);
    this.prefix = new PrefixCache(prefill, shape);
  }

  /** The slot of each sequence in the cache. */
  get slotsInOrder(): readonly number[] {
    return this.order;
  }

  /** Caches all but the last of `ids`, as `Engine.admit` says. */
  async admit(slot: number, ids: Int32Array): Promise<void> {
    if (slot < 0 || slot >= this.slots || this.order.includes(slot))
      throw new Error(`slot ${slot} isn't free`);
    if (ids.length < 1 || ids.length > this.context) throw new Error(`${ids.length} ids don't fit`);
    const length = ids.length - 1;
    this.cache.append(await this.prefix.fill(ids.subarray(0, length)), length);
    this.order.push(slot);
  }

  /** The trees of a step in the order of the cache. Throws when a sequence has none. */
  treesOf(inputs: readonly StepInput[]): TreeRows[] {
    if (inputs.length !== this.order.length)
      throw new Error(`${inputs.length} trees for ${this.order.length} slots`);
    return this.order.map((slot) => {
      const input = inputs.find((candidate) => candidate.slot === slot);
      if (input === undefined) throw new Error(`no tree for slot ${slot}`);
      return input.tree;
    });
  }

  /** Appends rows of a step, as `KvCache.keep` takes them, to the slot's sequence. */
  keep(slot: number, source: readonly FloatArray[], rows: readonly number[]): void {
    this.cache.keep(this.order.indexOf(slot), source, rows);
  }

  /** Removes the slot's sequence; the last one takes its place. */
  release(slot: number): void {
    const index = this.order.indexOf(slot);
    if (index < 0) throw new Error(`slot ${slot} is free already`);
    this.cache.remove(index);
    const last = this.order.pop() as number;
    if (index < this.order.length) this.order[index] = last;
  }
}
