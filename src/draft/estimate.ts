/**
 * What comes next, estimated from n-gram counts: interpolated absolute discounting (Ney, Essen & Kneser 1994; Chen &
 * Goodman 1999, section 2.7) over the contexts of the sequence, longest first. At each context length the counts of
 * cohort pool, shared pool and own output are added with weights; the mass that discounting frees goes to the next
 * shorter context.
 */
import type { OwnText } from '../pool/own.js';
import type { Pool } from '../pool/trie.js';

/** Counts of the own output weigh most, those of the cohort more than those of all cohorts. */
export interface SourceWeights {
  cohort: number;
  shared: number;
  own: number;
}

export const defaultWeights: SourceWeights = { cohort: 8, shared: 1, own: 10 };

/** Taken off every count, so that contexts seen rarely leave mass to shorter ones. */
const discount = 0.75;
/** Children looked at in one context: the most frequent ones; beyond them there is next to no mass. */
const widest = 8;
/** Mass below which shorter contexts aren't asked any more. */
const negligible = 0.02;

/** Estimates continuations of one context; the result lies in `tokens` and `scores`, `size` of them, unordered. */
export class Estimate {
  size = 0;
  readonly tokens = new Int32Array(256);
  readonly scores = new Float64Array(256);
  /** Nodes of the contexts by source: cohort pool, shared pool, own text; -1 node: the source has none. */
  private readonly node = new Int32Array(3);
  private readonly depth = new Int32Array(3);
  private readonly weight: Float64Array;
  private cohort: Pool | undefined;
  private shared: Pool | undefined;

  constructor(
    private readonly own: OwnText,
    weights: SourceWeights,
  ) {
    this.weight = Float64Array.of(weights.cohort, weights.shared, weights.own);
  }

  use(cohort: Pool | undefined, shared: Pool | undefined): void {
    this.cohort = cohort;
    this.shared = shared;
  }

  /** @param states nodes and depths of the three sources, at `offset`, two numbers each */
  compute(states: Int32Array, offset: number): void {
    this.size = 0;
    let length = 0;
    for (let s = 0; s < 3; s++) {
      this.node[s] = states[offset + 2 * s] as number;
      this.depth[s] = states[offset + 2 * s + 1] as number;
      length = Math.max(length, this.depth[s] as number);
    }
    let mass = 1;
    for (; length > 0 && mass > negligible; length--) mass *= this.addContext(length, mass);
  }

  /** Adds what contexts of this length say, then shortens them; returns the share of the mass that is left over. */
  private addContext(length: number, mass: number): number {
    const { cohort, shared, own, weight, depth, node } = this;
    let total = 0;
    let freed = 0;
    for (let s = 0; s < 3; s++) {
      if (depth[s] !== length) continue;
      const at = node[s] as number;
      const w = weight[s] as number;
      if (s === 2) {
        // not the node's own count: the end of the text itself has no continuation yet
        total += w * (own.followed[at] as number);
        freed += w * discount * (own.children[at] as number);
      } else {
        const { count, firstChild } = ((s === 0 ? cohort : shared) as Pool).columns;
        const children = (firstChild[at + 1] as number) - (firstChild[at] as number);
        if (children > 0) total += w * (count[at] as number);
        freed += w * discount * children;
      }
    }
    const unit = total > 0 ? mass / total : 0;
    for (let s = 0; s < 3; s++) {
      if (depth[s] !== length) continue;
      const at = node[s] as number;
      const w = (weight[s] as number) * unit;
      if (s === 2) {
        this.addOwn(at, w);
        node[s] = own.link[at] as number;
      } else {
        const pool = (s === 0 ? cohort : shared) as Pool;
        this.addPool(pool, at, w);
        node[s] = pool.columns.link[at] as number;
      }
      depth[s] = length - 1;
    }
    return total > 0 ? Math.min(1, freed / total) : 1;
  }

  private addPool(pool: Pool, node: number, unit: number): void {
    const { token, count, firstChild } = pool.columns;
    const start = firstChild[node] as number;
    const end = Math.min(firstChild[node + 1] as number, start + widest);
    for (let child = start; child < end; child++) {
      this.add(token[child] as number, unit * ((count[child] as number) - discount));
    }
  }

  private addOwn(node: number, unit: number): void {
    const { first, next, token, count } = this.own;
    let seen = 0;
    for (let child = first[node] as number; child >= 0 && seen < widest; child = next[child] as number) {
      this.add(token[child] as number, unit * ((count[child] as number) - discount));
      seen++;
    }
  }

  private add(token: number, score: number): void {
    const { tokens, scores, size } = this;
    for (let i = 0; i < size; i++) {
      if (tokens[i] === token) {
        scores[i] = (scores[i] as number) + score;
        return;
      }
    }
    if (size === tokens.length) return;
    tokens[size] = token;
    scores[size] = score;
    this.size = size + 1;
  }
}
