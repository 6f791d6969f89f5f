import { escapeClass } from './escape.js';
import { Followers } from './ngrams.js';
import type { OwnText } from './own.js';
import type { Pool } from './trie.js';

/** In place of a class: nothing follows the context, or it isn't known. */
export const unknown = -1;
/** In place of a class: the context wasn't met yet. */
const unseen = -2;

/** What one source says of a document: for each token and length of context, the class and the token's share. */
export interface Opinions {
  /** [tokens * maxLength] */
  classes: Int16Array;
  shares: Float32Array;
}

/** Followers that are looked at first to find the likeliest one. */
const first = 4;

/**
 * Tells what a pool says of one of its documents, as if it had been built without it: the document's counts are taken off.
 * Says the same as `WithoutDocument`, in half the time, of the document's own contexts alone: its n-grams are a trie
 * (`OwnText`), each node of which is looked up once in the pool.
 */
export class LeftOut {
  /** By node of the document: that of the pool, and how often the pool has its n-gram. */
  private node = new Int32Array(1024);
  private count = new Int32Array(1024);
  /** By node of the document that was a context: what is left of its counts, and its class. */
  private total = new Int32Array(1024);
  private readonly after = new Followers(1);
  private readonly narrow = new Followers(first);
  private wide = new Followers(64);

  /**
   * @param own holds the document and nothing else, with n-grams as long as the pool's
   * @param skip first tokens that nothing is said of
   */
  opinions(pool: Pool, own: OwnText, document: Int32Array, source: number, skip: number): Opinions {
    const { maxLength } = pool;
    const classes = new Int16Array(document.length * maxLength).fill(unknown);
    const shares = new Float32Array(classes.length);
    this.begin(pool, own);
    // nodes of the document's last k tokens, k = 0 up to maxLength - 1
    const contexts = new Int32Array(maxLength);
    // by node of the document: the class of the context
    const classOf = new Int16Array(own.nodes).fill(unseen);
    for (const [i, token] of document.entries()) {
      const longest = Math.min(i, maxLength - 1);
      let extended = 0;
      for (let length = 0; length <= longest; length++) {
        const context = contexts[length] as number;
        if (classOf[context] === unseen) classOf[context] = this.see(pool, own, context, length, source);
        const class_ = classOf[context] as number;
        const child = own.child(context, token);
        if (i >= skip && class_ !== unknown) {
          const left = (this.count[child] as number) - (own.count[child] as number);
          classes[i * maxLength + length] = class_;
          shares[i * maxLength + length] = left / (this.total[context] as number);
        }
        contexts[length] = extended;
        extended = child;
      }
      if (longest + 1 < maxLength) contexts[longest + 1] = extended;
    }
    return { classes, shares };
  }

  private begin(pool: Pool, own: OwnText): void {
    if (this.node.length < own.nodes) {
      this.node = new Int32Array(2 * own.nodes);
      this.count = new Int32Array(2 * own.nodes);
      this.total = new Int32Array(2 * own.nodes);
    }
    this.node[0] = 0;
    this.count[0] = pool.countOf(0);
  }

  /** Looks up what follows a context. Contexts come after those that are a token shorter at the end. */
  private see(pool: Pool, own: OwnText, context: number, length: number, source: number): number {
    const { node, count, after } = this;
    // the document's last tokens are an occurrence, too
    const total = (count[context] as number) - (own.count[context] as number);
    const alone = total === 0;
    let gone = 0;
    for (let child = own.first[context] as number; child >= 0; child = own.next[child] as number) {
      const times = own.count[child] as number;
      if (alone) count[child] = times;
      else {
        const found = pool.child(node[context] as number, own.token[child] as number);
        node[child] = found;
        count[child] = pool.countOf(found);
      }
      if (count[child] === times) gone++;
    }
    if (alone) return unknown;
    const { most, distinct } = this.likeliest(pool, own, context);
    after.counts[0] = most;
    after.total = total;
    after.distinct = distinct - gone;
    after.size = 1;
    this.total[context] = total;
    return after.distinct === 0 ? unknown : escapeClass(source, length, after);
  }

  /** How often the likeliest follower is left, and how many different ones there were. */
  private likeliest(pool: Pool, own: OwnText, context: number): { most: number; distinct: number } {
    for (let listed = this.narrow; ; listed = this.wide) {
      pool.followers(this.node[context] as number, listed);
      const { size, distinct, tokens, counts } = listed;
      let most = 0;
      // followers are ordered by count: none of those behind has more
      for (let i = 0; i < size && (counts[i] as number) > most; i++) {
        const left = (counts[i] as number) - own.countAfter(context, tokens[i] as number);
        if (left > most) most = left;
      }
      if (size === distinct || (counts[size - 1] as number) <= most) return { most, distinct };
      if (listed === this.wide) this.wide = new Followers(2 * listed.limit);
    }
  }
}
