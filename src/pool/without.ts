import { Followers, type Learnt, type Ngrams, type PoolState } from './ngrams.js';
import type { Pool } from './trie.js';

/** What a document adds to one context: how often it is there, what follows it, and how many tokens nothing else has. */
interface Share {
  total: number;
  counts: Map<number, number>;
  alone: number;
}

/**
 * A pool as if it had been built without one of its documents: the document's counts are taken off. Contexts that the
 * document alone has are still known, and nothing follows them.
 */
export class WithoutDocument implements Ngrams, Learnt {
  readonly maxLength: number;
  readonly escapes: Learnt['escapes'];
  private readonly shares = new Map<number, Share>();
  private wide = new Followers(64);

  /** @param document one that the pool was built of */
  constructor(
    private readonly pool: Pool,
    document: Int32Array,
  ) {
    this.maxLength = pool.maxLength;
    this.escapes = pool.escapes;
    const state: PoolState = { node: 0, depth: 0 };
    for (const token of document) {
      this.count(state, token);
      pool.walk(state, token);
    }
    // the document's last context is there too; the root counts tokens alone
    this.count(state, undefined);
    for (const [node, share] of this.shares)
      for (const [token, count] of share.counts)
        if (pool.count(pool.child(node, token)) === count) share.alone++;
  }

  walk(state: PoolState, token: number): void {
    this.pool.walk(state, token);
  }

  shorter(node: number, depth: number): number {
    return this.pool.shorter(node, depth);
  }

  /** As of `Pool`: the most frequent tokens first, of equal ones the smaller id. */
  followers(node: number, into: Followers): void {
    const share = this.shares.get(node);
    if (share === undefined) {
      this.pool.followers(node, into);
      return;
    }
    // beside the tokens that lose counts, as many as are asked for
    const limit = into.limit + share.counts.size;
    if (this.wide.limit < limit) this.wide = new Followers(2 * limit);
    const { wide } = this;
    this.pool.followers(node, wide);
    const left: { token: number; count: number }[] = [];
    for (let i = 0; i < Math.min(limit, wide.size); i++) {
      const token = wide.tokens[i] as number;
      const count = (wide.counts[i] as number) - (share.counts.get(token) ?? 0);
      if (count > 0) left.push({ token, count });
    }
    left.sort((a, b) => b.count - a.count || a.token - b.token);
    into.distinct = wide.distinct - share.alone;
    into.total = into.distinct > 0 ? wide.total - share.total : 0;
    into.size = Math.min(into.limit, left.length);
    for (let i = 0; i < into.size; i++) {
      const { token, count } = left[i] as (typeof left)[number];
      into.tokens[i] = token;
      into.counts[i] = count;
    }
  }

  /** Counts a place of the document in all its contexts. @param token what follows there; undefined at the end */
  private count({ node, depth }: Readonly<PoolState>, token: number | undefined): void {
    let last = -1;
    for (let at = node, length = depth; length >= 0; length--) {
      // what occurs once is one node at several lengths
      if (at !== last && (token !== undefined || at > 0)) {
        const share = this.shares.get(at) ?? { total: 0, counts: new Map<number, number>(), alone: 0 };
        share.total++;
        if (token !== undefined) share.counts.set(token, (share.counts.get(token) ?? 0) + 1);
        this.shares.set(at, share);
      }
      last = at;
      if (length > 0) at = this.pool.shorter(at, length);
    }
  }
}
