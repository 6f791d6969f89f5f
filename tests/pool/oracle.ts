import fc from 'fast-check';

/** What there is to know about the n-grams of some documents, by plain counting. Keys: tokens joined by spaces. */
export interface Grams {
  count: Map<string, number>;
  /** Tokens that follow each n-gram, the root's under ''; in the order of their first occurrence. */
  followers: Map<string, Map<number, number>>;
  tokens: number;
}

/** Counts every n-gram of 1 up to `maxLength` tokens inside each document. */
export function countGrams(documents: readonly (readonly number[])[], maxLength: number): Grams {
  const grams: Grams = { count: new Map(), followers: new Map(), tokens: 0 };
  for (const document of documents) {
    grams.tokens += document.length;
    // by end, so that followers are met in the order of the text
    for (let end = 1; end <= document.length; end++) {
      for (let length = 1; length <= Math.min(end, maxLength); length++) {
        const gram = document.slice(end - length, end);
        const key = gram.join(' ');
        grams.count.set(key, (grams.count.get(key) ?? 0) + 1);
        const context = gram.slice(0, -1).join(' ');
        const follower = gram[length - 1] as number;
        const after = grams.followers.get(context) ?? new Map<number, number>();
        grams.followers.set(context, after.set(follower, (after.get(follower) ?? 0) + 1));
      }
    }
  }
  return grams;
}

/** The longest suffix of `history`, of at most maxLength - 1 tokens, that occurs. */
export function longestSuffix({ count }: Grams, history: readonly number[], maxLength: number): number[] {
  for (let length = Math.min(history.length, maxLength - 1); length > 0; length--) {
    const suffix = history.slice(history.length - length);
    if (count.has(suffix.join(' '))) return suffix;
  }
  return [];
}

/** A Fibonacci word over 0 and 1: its factors repeat as much as those of an aperiodic word can. */
export function fibonacciWord(length: number): number[] {
  let [previous, word] = [[0], [0, 1]];
  while (word.length < length) [previous, word] = [word, [...word, ...previous]];
  return word.slice(0, length);
}

/** Few distinct tokens, so that n-grams repeat. */
export const tokenList = (maxLength = 24) =>
  fc.integer({ min: 1, max: 4 }).chain((alphabet) => fc.array(fc.nat(alphabet), { maxLength }));
