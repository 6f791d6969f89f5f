import type { Counted, Followers, Learnt, PoolState } from './ngrams.js';

/**
 * The n-grams of a pool, in columns. Those that occur more than once are the nodes of a trie: node 0 is the root (the
 * empty context), nodes are ordered level by level, the children of a node side by side, the most frequent first, of
 * equal ones the smaller token. A child that occurs once is a leaf: a place in the text, which goes on from there.
 */
export interface TrieColumns {
  /** Rows of `nodeFields`, side by side because they are read together, and one that closes the last families. */
  node: Int32Array;
  /** Children of large families by the hash of parent and token, -1 where there is none; see `slotOf`. */
  slot: Int32Array;
  /** First node of each level, and the number of nodes; [maxLength + 2]. */
  level: Int32Array;
  /** Last token of an n-gram that occurs once but repeats without that token, [leaves]; rising within a family. */
  leafToken: Int32Array;
  /** Where in the text that n-gram ends, [leaves]. */
  leaf: Int32Array;
  /** The documents, each followed by -1. */
  text: Int32Array;
  /** Node of the longest repeated context (at most maxLength - 1 tokens) that ends at a place of the text. */
  context: Int32Array;
}

/** What a node's row holds. */
export const nodeFields = {
  /** Last token of its n-gram; of the root: -1. */
  token: 0,
  /** How often the n-gram occurs; of the root: all tokens. */
  count: 1,
  /** Children of node n: from its firstChild up to that of node n + 1, exclusive. */
  firstChild: 2,
  /** Leaves of node n: from its firstLeaf up to that of node n + 1, exclusive. */
  firstLeaf: 3,
  /** Node of the n-gram without its first token; of the root: itself. */
  link: 4,
} as const;
/** Numbers in a node's row. */
export const nodeWidth = 5;

const {
  token: tokenAt,
  count: countAt,
  firstChild: firstChildAt,
  firstLeaf: firstLeafAt,
  link: linkAt,
} = nodeFields;

/** Families of more children than this are found by `slot`, others by looking at one child after the other. */
export const largeFamily = 8;

/** Where to look first for a child in `slot`, which has a power of two of them; then in the slots that follow. */
export function slotOf(node: number, token: number, slots: number): number {
  const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(token + 1, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & (slots - 1);
}

/** What a pool says of its texts. */
export interface PoolTexts {
  /** Of a cohort's texts; null for the shared pool. */
  readonly entityType?: string | null;
  /** Mean tokens of a text; undefined where it isn't known. */
  readonly meanLength?: number | undefined;
}

/**
 * A read-only n-gram table of one cohort. A context that repeats in its texts is a node; one that occurs once is the
 * place in the text where it ends, with the number `nodes` + place.
 */
export class Pool implements Counted, Learnt, PoolTexts {
  readonly nodes: number;
  readonly escapes: Learnt['escapes'];
  readonly chances: Learnt['chances'];
  readonly chancesBy: Learnt['chancesBy'];
  readonly entityType: string | null;
  readonly meanLength: number | undefined;
  readonly relaxed: Learnt['relaxed'];

  /**
   * @param columns shared between threads, never written
   * @param maxLength longest n-gram; contexts have up to maxLength - 1 tokens
   * @param learnt from the texts of this pool and of the cohorts beside it; of the shared pool
   * @param texts what the pool's texts are
   */
  constructor(
    readonly columns: TrieColumns,
    readonly maxLength: number,
    { escapes, chances, chancesBy, relaxed }: Learnt = {},
    { entityType = null, meanLength }: PoolTexts = {},
  ) {
    this.entityType = entityType;
    this.meanLength = meanLength;
    this.escapes = escapes;
    this.chances = chances;
    this.chancesBy = chancesBy;
    this.relaxed = relaxed;
    this.nodes = columns.node.length / nodeWidth - 1;
  }

  /** The context `node` and then `token`, or -1 where it doesn't occur. */
  child(node: number, token: number): number {
    const { nodes } = this;
    const { node: rows, text } = this.columns;
    if (node >= nodes) return text[node - nodes + 1] === token ? node + 1 : -1;
    const row = node * nodeWidth;
    const first = rows[row + firstChildAt] as number;
    const end = rows[row + nodeWidth + firstChildAt] as number;
    if (end - first > largeFamily) {
      const found = this.childBySlot(node, token, first, end);
      if (found >= 0) return found;
    } else {
      for (let child = first; child < end; child++)
        if (rows[child * nodeWidth + tokenAt] === token) return child;
    }
    return this.leafOf(row, token);
  }

  /** How often `token` followed the context. */
  countAfter(node: number, token: number): number {
    const child = this.child(node, token);
    return child < 0 ? 0 : this.countOf(child);
  }

  /** How often the n-gram of `node` occurs; of the root: all tokens. */
  countOf(node: number): number {
    return node >= this.nodes ? 1 : (this.columns.node[node * nodeWidth + countAt] as number);
  }

  private childBySlot(node: number, token: number, first: number, end: number): number {
    const { node: rows, slot } = this.columns;
    for (let at = slotOf(node, token, slot.length); ; at = (at + 1) & (slot.length - 1)) {
      const child = slot[at] as number;
      if (child < 0) return -1;
      if (child >= first && child < end && rows[child * nodeWidth + tokenAt] === token) return child;
    }
  }

  private leafOf(row: number, token: number): number {
    const { node: rows, leafToken, leaf } = this.columns;
    let low = rows[row + firstLeafAt] as number;
    const end = rows[row + nodeWidth + firstLeafAt] as number;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((leafToken[middle] as number) < token) low = middle + 1;
      else high = middle;
    }
    return low < end && leafToken[low] === token ? this.nodes + (leaf[low] as number) : -1;
  }

  shorter(node: number, depth: number): number {
    const { nodes } = this;
    if (node < nodes) return this.columns.node[node * nodeWidth + linkAt] as number;
    const repeated = this.columns.context[node - nodes] as number;
    return depth - 1 > this.depthOf(repeated) ? node : repeated;
  }

  /** The most frequent tokens first, of equal ones the smaller id. */
  followers(node: number, into: Followers): void {
    const { nodes } = this;
    const { node: rows, leafToken, text } = this.columns;
    const { tokens, counts } = into;
    if (node >= nodes) {
      const next = text[node - nodes + 1] as number;
      const known = next >= 0 ? 1 : 0;
      into.total = known;
      into.distinct = known;
      into.size = known;
      tokens[0] = next;
      counts[0] = 1;
      return;
    }
    const row = node * nodeWidth;
    const first = rows[row + firstChildAt] as number;
    const children = (rows[row + nodeWidth + firstChildAt] as number) - first;
    const firstLeaf = rows[row + firstLeafAt] as number;
    const distinct = children + (rows[row + nodeWidth + firstLeafAt] as number) - firstLeaf;
    const size = Math.min(distinct, into.limit);
    const repeated = Math.min(children, size);
    into.total = distinct > 0 ? (rows[row + countAt] as number) : 0;
    into.distinct = distinct;
    into.size = size;
    for (let i = 0, child = first * nodeWidth; i < repeated; i++, child += nodeWidth) {
      tokens[i] = rows[child + tokenAt] as number;
      counts[i] = rows[child + countAt] as number;
    }
    for (let i = repeated; i < size; i++) {
      tokens[i] = leafToken[firstLeaf + i - repeated] as number;
      counts[i] = 1;
    }
  }

  /**
   * Moves `state` to the longest known context that ends in `token`, at most maxLength - 1 tokens long.
   * Amortised over a text, each token costs at most two links.
   */
  walk(state: PoolState, token: number): void {
    const { nodes, maxLength } = this;
    const { node: rows, context, level } = this.columns;
    let { node, depth } = state;
    let child = this.child(node, token);
    while (child < 0 && node !== 0) {
      if (node < nodes) {
        node = rows[node * nodeWidth + linkAt] as number;
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
    } else if (depth + 1 < maxLength) {
      state.node = child;
      state.depth = depth + 1;
    } else {
      // one token too long: without its first one, what occurred once may repeat
      const repeated = (child < nodes ? rows[child * nodeWidth + linkAt] : context[child - nodes]) as number;
      state.node = child < nodes || repeated >= (level[depth] as number) ? repeated : child;
      state.depth = depth;
    }
  }

  /** Tokens of a node's n-gram. */
  private depthOf(node: number): number {
    const { level } = this.columns;
    let depth = 0;
    while (node >= (level[depth + 1] as number)) depth++;
    return depth;
  }
}
