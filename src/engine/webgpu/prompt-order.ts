import { commonPrefix } from '../prefix.js';

interface Entry {
  slot: number;
  ids: Int32Array;
  /** The ids' bytes. */
  bytes: Uint8Array;
}

/**
 * Prompts of slots in the order of their bytes, which the processor compares fastest: whichever shares most with another prompt stands next to its place. To compare
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
    const bytes = bytesOf(ids);
    this.entries.splice(this.placeOf(bytes), 0, { slot, ids, bytes });
    this.slots.set(slot, ids);
  }

  clear(): void {
    this.entries = [];
    this.slots.clear();
  }

  /** A slot whose prompt begins like `ids` as far as any does, and how far that is; slot -1 where nothing is shared. */
  mostShared(ids: Int32Array): { slot: number; columns: number } {
    const place = this.placeOf(bytesOf(ids));
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
    let at = this.placeOf(bytesOf(ids));
    while (this.entries[at]?.slot !== slot) at++;
    this.entries.splice(at, 1);
  }

  /** Where the first entry stands that isn't below; the beginning of another stands before it. */
  private placeOf(bytes: Uint8Array): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Buffer.compare((this.entries[middle] as Entry).bytes, bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
