/**
 * Where a string of tokens occurs, and how often each token follows it there: all that the peers' methods ask of a
 * text. Kept apart from the pools, so that the peers check them.
 */
export interface Occurrences {
  count: number;
  /** What follows, the most frequent first; of equally frequent ones the smallest token first. */
  followers(): readonly Follower[];
}

export interface Follower {
  token: number;
  /** Where the string with this token at its end occurs. */
  at: Occurrences;
}

export const nowhere: Occurrences = { count: 0, followers: () => [] };

/** Stands between documents; no token. */
const separator = -1;
/** Tokens by which suffixes are sorted: longer strings aren't told apart. */
export const longestString = 64;

/** All texts of a pool, in a suffix array. */
export class Corpus {
  private readonly tokens: Int32Array;
  private readonly order: Int32Array;
  private readonly known = new Map<number, Range>();

  constructor(documents: readonly Int32Array[]) {
    const length = documents.reduce((sum, document) => sum + document.length + 1, 0);
    const tokens = new Int32Array(length).fill(separator);
    let end = 0;
    for (const document of documents) {
      tokens.set(document, end);
      end += document.length + 1;
    }
    this.tokens = tokens;
    this.order = Int32Array.from(tokens.keys())
      .filter((i) => tokens[i] !== separator)
      .sort((a, b) => this.compare(a, b));
  }

  /** Where the string occurs, which has a token at least. */
  find(string: readonly number[]): Occurrences {
    if (string.length > longestString) return nowhere;
    const start = this.bound(string, 0);
    const end = this.bound(string, 1);
    return end > start ? this.range(start, end, string.length) : nowhere;
  }

  /** What follows suffixes `start` to `end` (excluded), which have their first `depth` tokens in common. */
  followersOf(start: number, end: number, depth: number): Follower[] {
    if (depth >= longestString) return [];
    const found: Follower[] = [];
    for (let from = start; from < end; ) {
      const token = this.tokens[(this.order[from] as number) + depth] as number;
      const to = this.lastWith(token, from, end, depth) + 1;
      if (token !== separator) found.push({ token, at: this.range(from, to, depth + 1) });
      from = to;
    }
    return found.sort((a, b) => b.at.count - a.at.count || a.token - b.token);
  }

  /** Ranges are kept, and with them what follows them: the parts of the suffix tree that are ever asked for. */
  private range(start: number, end: number, depth: number): Range {
    const key = start * (longestString + 1) + depth;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const made = new Range(this, start, end, depth);
    this.known.set(key, made);
    return made;
  }

  private lastWith(token: number, from: number, end: number, depth: number): number {
    let low = from;
    let high = end - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tokens[(this.order[middle] as number) + depth] === token) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** How many suffixes stand before the string (`after` 0), or before and with it (1). */
  private bound(string: readonly number[], after: 0 | 1): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compareTo(this.order[middle] as number, string) < after) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private compareTo(suffix: number, string: readonly number[]): number {
    for (let i = 0; i < string.length; i++) {
      const difference = (this.tokens[suffix + i] as number) - (string[i] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  private compare(a: number, b: number): number {
    const { tokens } = this;
    for (let i = 0; i < longestString; i++) {
      const left = tokens[a + i] as number;
      const difference = left - (tokens[b + i] as number);
      if (difference !== 0) return difference;
      if (left === separator) break;
    }
    return a - b;
  }
}

class Range implements Occurrences {
  private following: Follower[] | undefined;

  constructor(
    private readonly corpus: Corpus,
    private readonly start: number,
    private readonly end: number,
    private readonly depth: number,
  ) {}

  get count(): number {
    return this.end - this.start;
  }

  followers(): readonly Follower[] {
    this.following ??= this.corpus.followersOf(this.start, this.end, this.depth);
    return this.following;
  }
}

/** A text that grows: prompt and output of one request. */
export class GrowingText {
  readonly tokens: number[] = [];

  /** The last tokens, at most so many. */
  last(length: number): number[] {
    return this.tokens.slice(Math.max(0, this.tokens.length - length));
  }

  /** Where the string occurs, which has a token at least; its occurrence at the very end counts too. */
  find(string: readonly number[]): Occurrences {
    const { tokens } = this;
    const ends: number[] = [];
    for (let start = 0; start + string.length <= tokens.length; start++) {
      if (string.every((token, i) => tokens[start + i] === token)) ends.push(start + string.length);
    }
    return new Places(tokens, ends);
  }
}

class Places implements Occurrences {
  constructor(
    private readonly tokens: readonly number[],
    /** Places after the string. */
    private readonly ends: readonly number[],
  ) {}

  get count(): number {
    return this.ends.length;
  }

  followers(): readonly Follower[] {
    const places = new Map<number, number[]>();
    for (const end of this.ends) {
      const token = this.tokens[end];
      if (token === undefined) continue;
      const list = places.get(token);
      if (list === undefined) places.set(token, [end + 1]);
      else list.push(end + 1);
    }
    const found = [...places].map(([token, ends]) => ({ token, at: new Places(this.tokens, ends) }));
    return found.sort((a, b) => b.at.count - a.at.count || a.token - b.token);
  }
}
