/** Steps without a draft after many drafts of which no row was worth its time. */
const longest = 7;

/**
 * Drafting pauses where it brings nothing: after each draft of which no row is kept twice as long as after the one before,
 * up to `longest` steps. So plain decoding costs hardly more with drafts than without. It depends on the sequence alone.
 */
export class DraftPause {
  private left = 0;
  private length = 0;

  /** Whether the next step goes without a draft. */
  skips(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  /** After a draft of which so many rows were kept. */
  after(rows: number): void {
    this.length = rows > 0 ? 0 : Math.min(longest, this.length * 2 + 1);
    this.left = this.length;
  }
}
