import { type Counted, Followers, type Learnt, type PoolState } from './ngrams.js';
import type { OwnText } from './own.js';
import type { Pool } from './trie.js';

/**
 * One of the document's contexts: its node of `own`, and the followers that it keeps, in order, all there are or the first of
 * them. They are kept because the contexts of one text are asked for again and again.
 */
interface Left {
  readonly ownNode: number;
  total: number;
  distinct: number;
  /** Where they stand in `kept`, and how many there are. */
  start: number;
  size: number;
  /** How many were asked for; 0 before any was. */
  limit: number;
}

// filled anew by each call that uses them
let wide = new Followers(64);
let best = new Followers(8);

/**
 * A pool as if it had been built without one of its documents: the document's counts are taken off. Contexts that the
 * document alone has are still known, and nothing follows them.
 */
export class WithoutDocument implements Counted, Learnt {
  readonly maxLength: number;
  readonly escapes: Learnt['escapes'];
  /** The document's contexts by node of the pool. */
  private readonly contexts = new Map<number, Left>();
  /** Followers of its contexts: tokens and counts in turn. */
  private readonly kept: number[] = [];
  /** Numbers of contexts that occur once, in the document: from the first up to the end. */
  private first = 0;
  private end = 0;

  /**
   * @param document one that the pool was built of
   * @param own holds the document and nothing else, with n-grams as long as the pool's
   */
  constructor(
    private readonly pool: Pool,
    document: Int32Array,
    private readonly own: OwnText,
  ) {
    this.maxLength = pool.maxLength;
    this.escapes = pool.escapes;
    const state: PoolState = { node: 0, depth: 0 };
    const ownState: PoolState = { node: 0, depth: 0 };
    this.take(state, ownState.node);
    for (const [i, token] of document.entries()) {
      pool.walk(state, token);
      own.walk(ownState, token);
      // a place in the text, where the document's tokens stand side by side
      if (state.node >= pool.nodes && this.end === 0) {
        this.first = state.node - i;
        this.end = this.first + document.length;
      }
      this.take(state, ownState.node);
    }
  }

  walk(state: PoolState, token: number): void {
    this.pool.walk(state, token);
  }

  shorter(node: number, depth: number): number {
    return this.pool.shorter(node, depth);
  }

  /** As of `Pool`: the most frequent tokens first, of equal ones the smaller id. */
  followers(node: number, into: Followers): void {
    const left = this.contexts.get(node);
    if (left !== undefined) this.leftOf(node, left, into);
    else if (node >= this.first && node < this.end) into.total = into.distinct = into.size = 0;
    else this.pool.followers(node, into);
  }

  /** As of `Pool`. */
  countAfter(node: number, token: number): number {
    if (node >= this.first && node < this.end) return 0;
    const all = this.pool.countAfter(node, token);
    const left = this.contexts.get(node);
    return left === undefined ? all : all - this.own.countAfter(left.ownNode, token);
  }

  /** Notes the document's contexts at one of its places, the longest first. */
  private take({ node, depth }: Readonly<PoolState>, ownNode: number): void {
    const { pool, own, contexts } = this;
    for (let at = node, ownAt = ownNode, length = depth; ; length--) {
      if (at < pool.nodes) {
        // shorter ones were there then, too
        if (contexts.has(at)) return;
        contexts.set(at, { ownNode: ownAt, total: 0, distinct: 0, start: 0, size: 0, limit: 0 });
      }
      if (length === 0) return;
      at = pool.shorter(at, length);
      ownAt = own.shorter(ownAt);
    }
  }

  private leftOf(node: number, left: Left, into: Followers): void {
    const { limit, tokens, counts } = into;
    if (left.limit < limit && (left.limit === 0 || left.size < left.distinct))
      this.takeOff(node, left, limit);
    const size = Math.min(limit, left.size);
    into.total = left.total;
    into.distinct = left.distinct;
    into.size = size;
    for (let i = 0, at = left.start; i < size; i++, at += 2) {
      tokens[i] = this.kept[at] as number;
      counts[i] = this.kept[at + 1] as number;
    }
  }

  private takeOff(node: number, left: Left, limit: number): void {
    const { pool, own } = this;
    const { ownNode } = left;
    left.limit = limit;
    // beside the tokens that lose counts, as many as are asked for
    const limitOfAll = limit + (own.children[ownNode] as number);
    if (wide.limit < limitOfAll) wide = new Followers(2 * limitOfAll);
    pool.followers(node, wide);
    // the text's end is an occurrence, too
    const total = wide.total - (own.count[ownNode] as number);
    if (total <= 0) return;
    let distinct = wide.distinct;
    for (let child = own.first[ownNode] as number; child >= 0; child = own.next[child] as number)
      if (pool.countAfter(node, own.token[child] as number) === own.count[child]) distinct--;
    if (distinct === 0) return;
    if (best.limit < limit) best = new Followers(limit);
    best.size = 0;
    for (let i = 0; i < Math.min(limitOfAll, wide.size); i++) {
      const token = wide.tokens[i] as number;
      const count = (wide.counts[i] as number) - own.countAfter(ownNode, token);
      if (count > 0) insert(best, limit, token, count);
    }
    left.total = total;
    left.distinct = distinct;
    left.start = this.kept.length;
    left.size = best.size;
    for (let i = 0; i < best.size; i++) this.kept.push(best.tokens[i] as number, best.counts[i] as number);
  }
}

/** Keeps the first `limit` of what is inserted: the most frequent tokens, of equal ones the smaller id. */
function insert(into: Followers, limit: number, token: number, count: number): void {
  const { tokens, counts } = into;
  const comesBefore = (at: number) =>
    count > (counts[at] as number) || (count === counts[at] && token < (tokens[at] as number));
  if (into.size === limit && !comesBefore(limit - 1)) return;
  let at = into.size < limit ? into.size++ : limit - 1;
  for (; at > 0 && comesBefore(at - 1); at--) {
    tokens[at] = tokens[at - 1] as number;
    counts[at] = counts[at - 1] as number;
  }
  tokens[at] = token;
  counts[at] = count;
}
