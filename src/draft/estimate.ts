/**
 * What comes next, estimated from n-gram counts: interpolated absolute discounting (Ney, Essen & Kneser 1994; Chen &
 * Goodman 1999, section 2.7) over the contexts of the sequence, longest first. At each context length the counts of
 * cohort pool, shared pool and own output are added with weights; the mass that discounting frees goes to the next
 * shorter context.
 */
import { Followers, type Ngrams } from '../pool/ngrams.js';

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
  /** Nodes of the contexts by source: cohort pool, shared pool, own text. */
  private readonly node = new Int32Array(3);
  private readonly depth = new Int32Array(3);
  private readonly weight: Float64Array;
  private readonly followers = [new Followers(widest), new Followers(widest), new Followers(widest)];
  private sources: readonly (Ngrams | undefined)[] = [];

  constructor(weights: SourceWeights) {
    this.weight = Float64Array.of(weights.cohort, weights.shared, weights.own);
  }

  /** @param sources cohort pool, shared pool, own text */
  use(sources: readonly (Ngrams | undefined)[]): void {
    this.sources = sources;
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
    const { sources, followers, weight, depth, node } = this;
    let total = 0;
    let freed = 0;
    for (let s = 0; s < 3; s++) {
      if (depth[s] !== length) continue;
      const source = sources[s] as Ngrams;
      const after = followers[s] as Followers;
      source.followers(node[s] as number, after);
      total += (weight[s] as number) * after.total;
      freed += (weight[s] as number) * discount * after.distinct;
    }
    const unit = total > 0 ? mass / total : 0;
    for (let s = 0; s < 3; s++) {
      if (depth[s] !== length) continue;
      const { size, tokens, counts } = followers[s] as Followers;
      const w = (weight[s] as number) * unit;
      for (let i = 0; i < size; i++) this.add(tokens[i] as number, w * ((counts[i] as number) - discount));
      node[s] = (sources[s] as Ngrams).shorter(node[s] as number, length);
      depth[s] = length - 1;
    }
    return total > 0 ? Math.min(1, freed / total) : 1;
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
