/** Texts of one generation, at most; there are two. */
const most = 128;
/** Characters of a text that is kept: memory stays below some megabytes whatever comes. */
const longest = 1 << 14;

/**
 * Token ids of texts that were encoded lately. Two generations: what is asked for again moves to the younger one, and when
 * that is full the older one goes. So what comes in every prompt stays, however many other texts come between.
 */
export class RecentTexts {
  private younger = new Map<string, readonly number[]>();
  private older = new Map<string, readonly number[]>();

  /** The ids of a text, by `encode` where they aren't known. */
  of(text: string, encode: () => readonly number[]): readonly number[] {
    const known = this.younger.get(text);
    if (known !== undefined) return known;
    const ids = this.older.get(text) ?? encode();
    if (text.length <= longest) {
      if (this.younger.size === most) {
        this.older = this.younger;
        this.younger = new Map();
      }
      this.younger.set(text, ids);
    }
    return ids;
  }
}
