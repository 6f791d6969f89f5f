import type { Followers, Ngrams, PoolState } from './ngrams.js';

/**
 * The n-grams of a pool as a trie in columns. Node 0 is the root (the empty context); a node stands for the n-gram on
 * the path to it. Nodes are ordered level by level, the children of a node side by side, the most frequent first.
 */
export interface TrieColumns {
  /** Last token of the node's n-gram, [nodes]. */
  token: Int32Array;
  /** How often the n-gram occurs, [nodes]; of the root: all tokens. */
  count: Int32Array;
  /** Children of node n are firstChild[n] up to firstChild[n + 1], exclusive; [nodes + 1]. */
  firstChild: Int32Array;
  /** Node of the n-gram without its first token, [nodes]; of the root: itself. */
  link: Int32Array;
}

/** A read-only n-gram table of one cohort. */
export class Pool implements Ngrams {
  /** Distinct tokens that follow a one-token context can be many: children of the root are found by a table. */
  private readonly roots: Int32Array;

  /**
   * @param columns shared between threads, never written
   * @param maxLength longest n-gram; contexts have up to maxLength - 1 tokens
   */
  constructor(
    readonly columns: TrieColumns,
    readonly maxLength: number,
  ) {
    const last = columns.firstChild[1] as number;
    let largest = -1;
    for (let node = 1; node < last; node++) largest = Math.max(largest, columns.token[node] as number);
    this.roots = new Int32Array(largest + 1).fill(-1);
    for (let node = 1; node < last; node++) this.roots[columns.token[node] as number] = node;
  }

  get nodes(): number {
    return this.columns.token.length;
  }

  /** The child of `node` along `token`, or -1. */
  child(node: number, token: number): number {
    if (node === 0) return this.roots[token] ?? -1;
    const { firstChild, token: tokens } = this.columns;
    const end = firstChild[node + 1] as number;
    for (let child = firstChild[node] as number; child < end; child++)
      if (tokens[child] === token) return child;
    return -1;
  }

  shorter(node: number): number {
    return this.columns.link[node] as number;
  }

  /** The most frequent tokens first, of equal ones the smaller id. */
  followers(node: number, into: Followers): void {
    const { token, count, firstChild } = this.columns;
    const first = firstChild[node] as number;
    const distinct = (firstChild[node + 1] as number) - first;
    into.total = distinct > 0 ? (count[node] as number) : 0;
    into.distinct = distinct;
    into.size = Math.min(distinct, into.limit);
    for (let i = 0; i < into.size; i++) {
      into.tokens[i] = token[first + i] as number;
      into.counts[i] = count[first + i] as number;
    }
  }

  /**
   * Moves `state` to the longest known context that ends in `token`, at most maxLength - 1 tokens long.
   * Amortised over a text, each token costs at most two links.
   */
  walk(state: PoolState, token: number): void {
    let { node, depth } = state;
    let child = this.child(node, token);
    while (child < 0 && node !== 0) {
      node = this.columns.link[node] as number;
      depth--;
      child = this.child(node, token);
    }
    if (child < 0) {
      state.node = 0;
      state.depth = 0;
      return;
    }
    if (depth + 1 === this.maxLength) {
      state.node = this.columns.link[child] as number;
      state.depth = depth;
    } else {
      state.node = child;
      state.depth = depth + 1;
    }
  }
}
