/** Drafts in a row of which no row is worth its time, before drafting pauses: here and there one such is usual. */
const patience = 8;
/** Steps without a draft after many such drafts. */
const longest = 7;

/**
 * Drafting pauses where it brings nothing: after `patience` drafts of which no row is kept for a step, after each further
 * one for twice as long as before and a step more, up to `longest` steps. So plain decoding costs hardly more with drafts
 * than without. It depends on the sequence alone.
 */
export class DraftPause {
  private left = 0;
  private length = 0;
  private useless = 0;

  /** Whether the next step goes without a draft. */
  skips(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  /** After a draft of which so many rows were kept. */
  after(rows: number): void {
    this.useless = rows > 0 ? 0 : this.useless + 1;
    this.length = this.useless < patience ? 0 : Math.min(longest, this.length * 2 + 1);
    this.left = this.length;
  }
}
