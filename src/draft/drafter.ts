import type { TreeRows } from '../engine/engine.js';
import { usualEscapes } from '../pool/escape.js';
import type { Ngrams, PoolState } from '../pool/ngrams.js';
import { OwnText } from '../pool/own.js';
import type { Pool } from '../pool/trie.js';
import { Estimate } from './estimate.js';
import { CandidateHeap } from './heap.js';

/** How large a draft tree may grow. */
export interface DraftBudget {
  /** Nodes below the sequence's last token. */
  nodes: number;
  /** A node whose path is less likely than this to be accepted isn't worth its row. */
  minPathProbability: number;
  /** Longest path: tokens that the text may still grow by. */
  depth: number;
  /** Whether the tree must be a single line: the likeliest token after every row. A tree if left out. */
  line?: boolean;
}

/** Pools of one request; either may be missing. */
export interface DraftPools {
  cohort?: Pool;
  shared?: Pool;
}

/** Numbers a state takes: node and depth of cohort pool, shared pool and own text. */
const stateSize = 6;
/** Tokens of its own text that a request's n-grams reach back. */
const ownLength = 6;
/** Candidates that one tree can hold while it is built. */
const heapCapacity = 8192;

/**
 * Drafts continuations of one sequence. A pure function of the sequence's tokens, its pools and the budget:
 * the most likely paths first (best-first search over products of estimated probabilities).
 */
export class Drafter {
  private readonly own: OwnText;
  private readonly estimate = new Estimate();
  private readonly heap = new CandidateHeap(heapCapacity);
  /** States of the sequence's end and of each tree row, `stateSize` numbers each. */
  private states = new Int32Array(64 * stateSize);
  private readonly end = new Int32Array(stateSize);
  private readonly walker: PoolState = { node: 0, depth: 0 };

  /** What contexts are looked up in: cohort pool, shared pool, own text. */
  private sources: (Ngrams | undefined)[];
  private scores = new Float64Array(64);
  private drafted = 0;

  constructor(
    vocabulary: number,
    private readonly endTokens: ReadonlySet<number>,
  ) {
    this.own = new OwnText(vocabulary, ownLength);
    this.sources = [undefined, undefined, this.own];
  }

  /** Starts a new sequence; nothing of the one before is left. */
  begin(pools: DraftPools): void {
    this.sources = [pools.cohort, pools.shared, this.own];
    this.own.clear();
    this.end.fill(0);
    this.estimate.use(this.sources, pools.shared?.escapes ?? usualEscapes);
  }

  /** Takes over a token of the prompt or of the output. */
  append(token: number): void {
    this.own.append(token);
    this.walk(this.end, 0, token, this.end, 0);
  }

  /** Estimated chances of being accepted of the last draft's nodes, none higher than the one before; valid until the next. */
  get gains(): Float64Array {
    return this.scores.subarray(0, this.drafted);
  }

  /** The draft tree below `last`, the sequence's last token (already appended). */
  draft(last: number, budget: DraftBudget): TreeRows {
    const { heap } = this;
    const tokens = [last];
    const parents = [-1];
    const depths = [0];
    this.reserve(budget.nodes + 1);
    this.states.set(this.end, 0);
    heap.clear(budget.nodes);
    if (budget.nodes > 0 && budget.depth > 0) this.expand(0, 1, budget.minPathProbability);
    while (tokens.length <= budget.nodes && heap.pop()) {
      const { token, parent, score } = heap;
      const row = tokens.length;
      this.scores[row - 1] = score;
      tokens.push(token);
      parents.push(parent);
      const depth = (depths[parent] as number) + 1;
      depths.push(depth);
      // its siblings and whatever else was a candidate: only what follows this row is one now
      if (budget.line) heap.clear(1);
      // nothing follows the end of a text
      if (row === budget.nodes || depth >= budget.depth || this.endTokens.has(token)) continue;
      this.walk(this.states, parent * stateSize, token, this.states, row * stateSize);
      this.expand(row, score, budget.minPathProbability);
    }
    this.drafted = tokens.length - 1;
    return { tokens: Int32Array.from(tokens), parents: Int32Array.from(parents) };
  }

  private expand(row: number, path: number, least: number): void {
    const { estimate, heap } = this;
    estimate.compute(this.states, row * stateSize);
    for (let i = 0; i < estimate.size; i++) {
      const score = path * (estimate.scores[i] as number);
      if (score >= least) heap.push(score, estimate.tokens[i] as number, row);
    }
  }

  /** The state after `token` from the one at `from` of `source`, written at `to` of `target`. */
  private walk(source: Int32Array, from: number, token: number, target: Int32Array, to: number): void {
    const { sources, walker } = this;
    for (let s = 0; s < 3; s++) {
      walker.node = source[from + 2 * s] as number;
      walker.depth = source[from + 2 * s + 1] as number;
      // a missing pool stays at its root, whatever the row held for an earlier request
      sources[s]?.walk(walker, token);
      target[to + 2 * s] = walker.node;
      target[to + 2 * s + 1] = walker.depth;
    }
  }

  private reserve(rows: number): void {
    if (this.states.length < rows * stateSize) this.states = new Int32Array(rows * stateSize * 2);
    if (this.scores.length < rows) this.scores = new Float64Array(rows * 2);
  }
}
