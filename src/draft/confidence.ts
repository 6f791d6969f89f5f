import type { TreeRows } from '../engine/engine.js';

/** What is assumed before anything was seen, and how much of the same it takes to count as much. */
export interface Prior {
  lift: number;
  /** In sums of p * (1 - p). */
  weight: number;
}

/**
 * The model's own tokens come as estimated, as a rule. Of relaxed verification SmolLM2's texts want more (items at 16 nodes
 * from 5.2 tokens a step to 5.5 with a lift of 0.9), those of a model that is sure of itself less (8.6 to 8.4): this is worth 3%
 * to the one and less than 1% to the other, and soon outweighed.
 */
export const priors: Readonly<Record<'strict' | 'relaxed', Prior>> = {
  strict: { lift: 0, weight: 5 },
  relaxed: { lift: 0.5, weight: 2 },
};
const most = 0.9;

/**
 * How far a request's likeliest tokens come true more often than estimated, seen from what its drafts were and what the
 * text became. Pools of sampled texts are less sure than a model that decodes greedily, and relaxed verification takes
 * likely tokens that aren't the argmax: then the first choice gains, and what would stand in for it loses, so trees
 * grow narrower and deeper.
 *
 * A chance p of the likeliest token becomes p + lift * p * (1 - p). The lift is the excess of hits over the sum of such
 * chances, divided by the sum of p * (1 - p), which is its least-squares fit, and held back by a prior.
 */
export class Confidence {
  private excess = 0;
  private spread = 0;
  private prior = priors.strict;
  private tree: TreeRows = { tokens: new Int32Array(0), parents: new Int32Array(0) };
  /** The tree's row that the text has come to, -1: it has left the tree. */
  private row = -1;
  /** Likeliest token below each row, and its estimated chance; 0: not estimated. */
  private tokens = new Int32Array(64);
  private chances = new Float64Array(64);

  /** Starts a new sequence. */
  clear(): void {
    this.excess = 0;
    this.spread = 0;
    this.prior = priors.strict;
    this.row = -1;
  }

  /** From 0 (estimates come true, or less) to `most`. */
  get lift(): number {
    const { lift, weight } = this.prior;
    return Math.min(most, Math.max(0, (this.excess + weight * lift) / (this.spread + weight)));
  }

  /** Starts a tree of so many rows at most. */
  start(rows: number, prior = priors.strict): void {
    this.row = -1;
    this.prior = prior;
    if (this.chances.length < rows) {
      this.tokens = new Int32Array(rows * 2);
      this.chances = new Float64Array(rows * 2);
    }
    this.chances.fill(0, 0, rows);
  }

  expect(row: number, token: number, chance: number): void {
    this.tokens[row] = token;
    this.chances[row] = chance;
  }

  /** The tree is drafted: the next tokens are followed along it. */
  follow(tree: TreeRows): void {
    this.tree = tree;
    this.row = 0;
  }

  /** The text goes on with `token`. */
  see(token: number): void {
    const { row } = this;
    if (row < 0) return;
    const chance = this.chances[row] as number;
    this.excess += (chance > 0 && this.tokens[row] === token ? 1 : 0) - chance;
    this.spread += chance * (1 - chance);
    const { tokens, parents } = this.tree;
    let next = row + 1;
    while (next < tokens.length && (parents[next] !== row || tokens[next] !== token)) next++;
    this.row = next < tokens.length ? next : -1;
  }
}
