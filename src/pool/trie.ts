import type { Followers, Ngrams, PoolState } from './ngrams.js';

/**
 * The n-grams of a pool, in columns. Those that occur more than once are the nodes of a trie: node 0 is the root (the
 * empty context), nodes are ordered level by level, the children of a node side by side, the most frequent first, of
 * equal ones the smaller token. A child that occurs once is a leaf: a place in the text, which goes on from there.
 */
export interface TrieColumns {
  /** Last token of the node's n-gram, [nodes]; of the root: -1. */
  token: Int32Array;
  /** How often the n-gram occurs, [nodes]; of the root: all tokens. */
  count: Int32Array;
  /** Children of node n are firstChild[n] up to firstChild[n + 1], exclusive; [nodes + 1]. */
  firstChild: Int32Array;
  /** Leaves below node n are leaf[firstLeaf[n]] up to leaf[firstLeaf[n + 1]], exclusive; [nodes + 1]. */
  firstLeaf: Int32Array;
  /** Node of the n-gram without its first token, [nodes]; of the root: itself. */
  link: Int32Array;
  /** The children again, each family by rising token, [nodes]. */
  byToken: Int32Array;
  /** First node of each level, and the number of nodes; [maxLength + 2]. */
  level: Int32Array;
  /** Where in the text an n-gram ends that occurs once but repeats without its last token; by rising token. */
  leaf: Int32Array;
  /** The documents, each followed by -1. */
  text: Int32Array;
  /** Node of the longest repeated context (at most maxLength - 1 tokens) that ends at a place of the text. */
  context: Int32Array;
}

/** Families up to this size are searched from the most frequent child on, larger ones by halving. */
const searchedInOrder = 12;

/**
 * A read-only n-gram table of one cohort. A context that repeats in its texts is a node; one that occurs once is the
 * place in the text where it ends, with the number `nodes` + place.
 */
export class Pool implements Ngrams {
  readonly nodes: number;

  /**
   * @param columns shared between threads, never written
   * @param maxLength longest n-gram; contexts have up to maxLength - 1 tokens
   */
  constructor(
    readonly columns: TrieColumns,
    readonly maxLength: number,
  ) {
    this.nodes = columns.token.length;
  }

  /** The context `node` and then `token`, or -1 where it doesn't occur. */
  child(node: number, token: number): number {
    const { nodes } = this;
    const { text, firstChild, token: tokens } = this.columns;
    if (node >= nodes) return text[node - nodes + 1] === token ? node + 1 : -1;
    const first = firstChild[node] as number;
    const end = firstChild[node + 1] as number;
    if (end - first > searchedInOrder) {
      const found = this.halve(token, first, end);
      if (found >= 0) return found;
    } else {
      for (let child = first; child < end; child++) if (tokens[child] === token) return child;
    }
    return this.leafOf(node, token);
  }

  private halve(token: number, first: number, end: number): number {
    const { byToken, token: tokens } = this.columns;
    let low = first;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((tokens[byToken[middle] as number] as number) < token) low = middle + 1;
      else high = middle;
    }
    const child = low < end ? (byToken[low] as number) : -1;
    return child >= 0 && tokens[child] === token ? child : -1;
  }

  private leafOf(node: number, token: number): number {
    const { firstLeaf, leaf, text } = this.columns;
    let low = firstLeaf[node] as number;
    const end = firstLeaf[node + 1] as number;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((text[leaf[middle] as number] as number) < token) low = middle + 1;
      else high = middle;
    }
    if (low === end) return -1;
    const place = leaf[low] as number;
    return text[place] === token ? this.nodes + place : -1;
  }

  shorter(node: number, depth: number): number {
    const { nodes } = this;
    if (node < nodes) return this.columns.link[node] as number;
    const repeated = this.columns.context[node - nodes] as number;
    return depth - 1 > this.depthOf(repeated) ? node : repeated;
  }

  /** The most frequent tokens first, of equal ones the smaller id. */
  followers(node: number, into: Followers): void {
    const { nodes } = this;
    const { token, count, firstChild, firstLeaf, leaf, text } = this.columns;
    if (node >= nodes) {
      const next = text[node - nodes + 1] as number;
      const known = next >= 0 ? 1 : 0;
      into.total = known;
      into.distinct = known;
      into.size = known;
      into.tokens[0] = next;
      into.counts[0] = 1;
      return;
    }
    const first = firstChild[node] as number;
    const children = (firstChild[node + 1] as number) - first;
    const once = firstLeaf[node] as number;
    const distinct = children + (firstLeaf[node + 1] as number) - once;
    into.total = distinct > 0 ? (count[node] as number) : 0;
    into.distinct = distinct;
    const size = Math.min(distinct, into.limit);
    into.size = size;
    const repeated = Math.min(children, size);
    for (let i = 0; i < repeated; i++) {
      into.tokens[i] = token[first + i] as number;
      into.counts[i] = count[first + i] as number;
    }
    for (let i = repeated; i < size; i++) {
      into.tokens[i] = text[leaf[once + i - repeated] as number] as number;
      into.counts[i] = 1;
    }
  }

  /**
   * Moves `state` to the longest known context that ends in `token`, at most maxLength - 1 tokens long.
   * Amortised over a text, each token costs at most two links.
   */
  walk(state: PoolState, token: number): void {
    const { nodes, maxLength } = this;
    const { link, context, level } = this.columns;
    let { node, depth } = state;
    let child = this.child(node, token);
    while (child < 0 && node !== 0) {
      if (node < nodes) {
        node = link[node] as number;
        depth--;
      } else {
        // what is shorter and occurs once too goes on in the same way
        node = context[node - nodes] as number;
        depth = this.depthOf(node);
      }
      child = this.child(node, token);
    }
    if (child < 0) {
      state.node = 0;
      state.depth = 0;
      return;
    }
    state.depth = Math.min(depth + 1, maxLength - 1);
    if (depth + 1 < maxLength) {
      state.node = child;
      return;
    }
    // one token too long: a token less at the beginning, and what occurred once may repeat
    const shorter = child < nodes ? link[child] : context[child - nodes];
    state.node =
      child < nodes || (shorter as number) >= (level[depth] as number) ? (shorter as number) : child;
  }

  /** Tokens of a node's n-gram. */
  private depthOf(node: number): number {
    const { level } = this.columns;
    let depth = 0;
    while (node >= (level[depth + 1] as number)) depth++;
    return depth;
  }
}
