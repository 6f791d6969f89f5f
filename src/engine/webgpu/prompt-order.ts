import { commonPrefix } from '../prefix.js';

interface Entry {
  slot: number;
  ids: Int32Array;
}

/**
 * Prompts of slots in the order of their ids: whichever shares most with another prompt stands next to its place. To compare
 * every prompt with every other took most of a second where 256 with the same examples began together.
 */
export class PromptOrder {
  private entries: Entry[] = [];
  private readonly slots = new Map<number, Int32Array>();

  get(slot: number): Int32Array | undefined {
    return this.slots.get(slot);
  }

  /** Replaces what the slot had. */
  set(slot: number, ids: Int32Array): void {
    this.delete(slot);
    this.entries.splice(this.placeOf(ids), 0, { slot, ids });
    this.slots.set(slot, ids);
  }

  clear(): void {
    this.entries = [];
    this.slots.clear();
  }

  /** A slot whose prompt begins like `ids` as far as any does, and how far that is; slot -1 where nothing is shared. */
  mostShared(ids: Int32Array): { slot: number; columns: number } {
    const place = this.placeOf(ids);
    let best = { slot: -1, columns: 0 };
    for (const entry of [this.entries[place - 1], this.entries[place]]) {
      if (entry === undefined) continue;
      const columns = commonPrefix(entry.ids, ids);
      if (columns > best.columns) best = { slot: entry.slot, columns };
    }
    return best;
  }

  private delete(slot: number): void {
    const ids = this.slots.get(slot);
    if (ids === undefined) return;
    this.slots.delete(slot);
    // prompts that are the same stand side by side, in any order
    let at = this.placeOf(ids);
    while (this.entries[at]?.slot !== slot) at++;
    this.entries.splice(at, 1);
  }

  /** Where the first entry stands that isn't below `ids`. */
  private placeOf(ids: Int32Array): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBelow((this.entries[middle] as Entry).ids, ids)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Id by id; the beginning of another stands before it. */
function isBelow(a: Int32Array, b: Int32Array): boolean {
  const shared = commonPrefix(a, b);
  if (shared === b.length) return false;
  return shared === a.length || (a[shared] as number) < (b[shared] as number);
}
