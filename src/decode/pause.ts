import type { Kept } from './budget.js';

/** Drafts in a row of which no row is worth its time, before drafting pauses: here and there one such is usual. */
const patience = 8;
/** Steps without a draft after many such drafts. */
const longest = 7;

/**
 * Drafting pauses where it brings nothing: once drafts that weren't worth their time have used up a token of those that were,
 * then after each further one for twice as long as before and a step more, up to `longest` steps. A draft of which no row is
 * kept uses up a part in `patience`, one whose rows don't pay for making it what is missing. So plain decoding costs hardly more
 * with drafts than without. It depends on what is kept of the sequence's own drafts alone.
 */
export class DraftPause {
  private left = 0;
  private length = 0;
  private saved = 1;

  /** Whether the next step goes without a draft. */
  skips(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  /** After a draft of which so much was kept. */
  after({ rows, worth }: Kept): void {
    this.saved = Math.max(0, Math.min(1, this.saved + (rows === 0 ? -1 / patience : worth)));
    this.length = this.saved > 0 ? 0 : Math.min(longest, this.length * 2 + 1);
    this.left = this.length;
  }
}
