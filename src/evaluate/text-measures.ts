/** How alike two texts are, and how varied many are. */

/** Runs of letters and digits, in lower case: what the measures compare. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * ROUGE-L: the F1 of the longest common subsequence of words (Lin 2004, "ROUGE: a package for automatic evaluation of
 * summaries", section 3, with beta = 1). 1 for two texts without words, 0 where only one has none.
 */
export function rougeL(reference: readonly string[], words: readonly string[]): number {
  const all = reference.length + words.length;
  return all === 0 ? 1 : (2 * commonSubsequence(reference, words)) / all;
}

/** Length of the longest common subsequence, by dynamic programming over one row. */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const row = new Int32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] as number;
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1] as number);
      diagonal = above;
    }
  }
  return row[b.length] as number;
}

/** Tokens that are the same at the same place, and places of the longer text: all that follows an insertion differs. */
export function samePlaces(a: ArrayLike<number>, b: ArrayLike<number>): { same: number; places: number } {
  let same = 0;
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] === b[i]) same++;
  return { same, places: Math.max(a.length, b.length) };
}

/**
 * distinct-n: the different runs of n words over all runs of n words, of many texts together (Li et al. 2016, "A
 * diversity-promoting objective function for neural conversation models"). Null where there are none.
 */
export function distinct(texts: readonly (readonly string[])[], n: number): number | null {
  const seen = new Set<string>();
  let all = 0;
  for (const words of texts) {
    for (let i = 0; i + n <= words.length; i++) {
      seen.add(words.slice(i, i + n).join(' '));
      all++;
    }
  }
  return all === 0 ? null : seen.size / all;
}
