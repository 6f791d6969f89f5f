/** Prompts on their way into the KV cache: batched in chunks, shared prefixes computed once and copied. */
import { commonPrefix } from '../prefix.js';
import { PromptOrder } from './prompt-order.js';

export interface PrefillRows {
  slot: number;
  tokens: Int32Array;
  /** Columns that are in the cache already. */
  cached: number;
}

export interface PrefixCopy {
  from: number;
  to: number;
  columns: number;
}

export interface PrefillBatch {
  /**
   * To be done first; everything that earlier batches computed must be in the cache. No slot is read from and written to.
   */
  copies: PrefixCopy[];
  rows: PrefillRows[];
}

/** A shorter common prefix is computed faster than it is looked after. */
const leastPrefix = 32;

interface Waiting {
  slot: number;
  ids: Int32Array;
  done: number;
}

export class PrefillQueue {
  private waiting: Waiting[] = [];
  /** Prompt ids that stand in each slot's cache: they stay there after the slot's release until it is taken again. */
  private readonly cached = new PromptOrder();

  constructor(
    private readonly slots: number,
    private readonly rowsOfBatch: number,
  ) {}

  add(slot: number, ids: Int32Array): void {
    if (slot >= this.slots) throw new Error(`no slot ${slot}`);
    const done = this.cached.get(slot);
    // the slot's own last prompt may begin alike: those columns stand where they are
    const own = done === undefined ? 0 : commonPrefix(done, ids);
    this.cached.set(slot, ids.slice(0, own));
    if (own < ids.length) this.waiting.push({ slot, ids, done: own });
  }

  remove(slot: number): void {
    this.waiting = this.waiting.filter((entry) => entry.slot !== slot);
  }

  /** Nothing is known about the cache any more. */
  forget(): void {
    this.cached.clear();
  }

  /** Whether every prompt is in the cache, once what `next` gave is computed. */
  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** What to compute next, or undefined when every prompt is in the cache. */
  next(): PrefillBatch | undefined {
    if (this.waiting.length === 0) return undefined;
    const { copies, later } = this.copies();
    const rows: PrefillRows[] = [];
    const taken: Waiting[] = [];
    const begun = new PromptOrder();
    let room = this.rowsOfBatch;
    for (const entry of this.waiting) {
      if (room === 0) break;
      if (entry.done === entry.ids.length || later.has(entry.slot) || canWait(entry, begun)) continue;
      const count = Math.min(room, entry.ids.length - entry.done);
      rows.push({
        slot: entry.slot,
        tokens: entry.ids.subarray(entry.done, entry.done + count),
        cached: entry.done,
      });
      taken.push(entry);
      begun.set(entry.slot, entry.ids);
      room -= count;
    }
    rows.forEach(({ tokens }, i) => {
      const entry = taken[i] as Waiting;
      entry.done += tokens.length;
    });
    for (const { slot, ids, done } of this.waiting) {
      if (this.cached.get(slot)?.length !== done) this.cached.set(slot, ids.slice(0, done));
    }
    this.waiting = this.waiting.filter(({ ids, done }) => done < ids.length);
    return { copies, rows };
  }

  /**
   * Prefixes that other slots have in their caches by now, and the slots that wait for the next batch: no slot is read from
   * and written to by copies of the same batch.
   */
  private copies(): { copies: PrefixCopy[]; later: ReadonlySet<number> } {
    const copies: PrefixCopy[] = [];
    const read = new Set<number>();
    const written = new Set<number>();
    const later = new Set<number>();
    for (const entry of this.waiting) {
      const { slot: from, columns } = this.cached.mostShared(entry.ids);
      // its own are `done`: it shares no more than that with itself
      if (columns < entry.done + leastPrefix) continue;
      if (written.has(from) || read.has(entry.slot)) {
        later.add(entry.slot);
        continue;
      }
      copies.push({ from, to: entry.slot, columns });
      read.add(from);
      written.add(entry.slot);
      entry.done = columns;
    }
    return { copies, later };
  }
}

/** Whether a prompt can copy more from one that was begun than it would compute: then it waits for the next batch. */
function canWait(entry: Waiting, begun: PromptOrder): boolean {
  return begun.mostShared(entry.ids).columns >= entry.done + leastPrefix;
}
