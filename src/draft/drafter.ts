import type { TreeRows } from '../engine/engine.js';
import { sources, usualEscapes } from '../pool/escape.js';
import type { Learnt, LearntMaps, Ngrams, PoolState } from '../pool/ngrams.js';
import { OwnText } from '../pool/own.js';
import type { PoolTexts } from '../pool/trie.js';
import { Confidence, priors } from './confidence.js';
import { Estimate } from './estimate.js';
import { DraftTree } from './tree.js';

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
  /** Whether likely tokens are accepted that aren't the argmax. */
  relaxed?: boolean;
}

/** Pools of one request; either may be missing. */
export interface DraftPools {
  cohort?: Ngrams & PoolTexts;
  shared?: Ngrams & Learnt & PoolTexts;
}

/** Sources that are pools: all but the last one. */
const pools = sources - 1;
/** Numbers a state takes: node and depth of each source. */
const stateSize = 2 * sources;
/** Tokens of its own text that a request's n-grams reach back. */
const ownLength = 6;

/**
 * Drafts continuations of one sequence: the most likely paths first (best-first search over products of estimated
 * probabilities). A pure function of the sequence's tokens, its pools, and this and earlier budgets.
 */
export class Drafter {
  private readonly own: OwnText;
  private readonly estimate = new Estimate();
  private readonly confidence = new Confidence();
  private readonly tree = new DraftTree();
  /** States of the sequence's end and of each tree row, `stateSize` numbers each. */
  private states = new Int32Array(64 * stateSize);
  /** State of the pools at the last draft, and the tokens since then. */
  private readonly end = new Int32Array(stateSize);
  private fresh = new Int32Array(1024);
  private freshTokens = 0;
  /** Whether there was a draft: what came before is the prompt. */
  private begun = false;
  /** What chances of the last draft's mode are worth, and of both. */
  private chances: Learnt['chances'];
  private strict: Learnt['chances'];
  private relaxed: Learnt['chances'];
  /** Chances of the last draft's nodes, where what they are worth is known. */
  private mapped = new Float64Array(64);
  private readonly walker: PoolState = { node: 0, depth: 0 };

  /** What contexts are looked up in: cohort pool, shared pool, own text. */
  private sources: (Ngrams | undefined)[];

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
    this.confidence.clear();
    this.end.fill(0);
    this.freshTokens = 0;
    this.begun = false;
    this.estimate.use(this.sources, pools.shared?.escapes ?? usualEscapes);
    const { cohort, shared } = pools;
    const mapIn = (maps: LearntMaps | undefined) =>
      maps?.chancesBy?.get(cohort?.entityType ?? '') ?? maps?.chances;
    this.strict = mapIn(shared);
    this.relaxed = mapIn(shared?.relaxed);
    this.chances = this.strict;
  }

  /** Takes over a token of the prompt or of the output. */
  append(token: number): void {
    this.own.append(token);
    if (!this.begun && this.endTokens.has(token)) this.own.endTurn();
    this.confidence.see(token);
    if (this.freshTokens === this.fresh.length) {
      const larger = new Int32Array(2 * this.freshTokens);
      larger.set(this.fresh);
      this.fresh = larger;
    }
    this.fresh[this.freshTokens++] = token;
  }

  /**
   * Chances of being accepted of the last draft's nodes, none higher than the one before; valid until the next draft.
   * Estimated, and then what such estimates are worth.
   */
  get gains(): Float64Array {
    const scores = this.tree.scores.subarray(1, this.tree.size);
    const { chances } = this;
    if (chances === undefined) return scores;
    if (this.mapped.length < scores.length) this.mapped = new Float64Array(2 * scores.length);
    for (let i = 0; i < scores.length; i++) this.mapped[i] = chances.of(scores[i] as number);
    return this.mapped.subarray(0, scores.length);
  }

  /** How far the next draft's first choices are raised: see `Confidence`. */
  get lift(): number {
    return this.confidence.lift;
  }

  /** Tokens of the longest context that the sequence's end had in a pool, at the last draft. */
  get matched(): number {
    let longest = 0;
    for (let s = 0; s < pools; s++) longest = Math.max(longest, this.end[2 * s + 1] as number);
    return longest;
  }

  /**
   * How many tokens before a row of the last draft each source knows: of the context that the row was looked up by.
   * Valid until the next draft.
   */
  contextsOf(parent: number): { cohort: number; shared: number; own: number } {
    const depth = (source: number) => this.states[parent * stateSize + 2 * source + 1] as number;
    return { cohort: depth(0), shared: depth(1), own: depth(2) };
  }

  /** The draft tree below `last`, the sequence's last token (already appended). */
  draft(last: number, { nodes, depth, minPathProbability, line, relaxed }: DraftBudget): TreeRows {
    const { tree, confidence } = this;
    if (!this.begun) this.own.endPrompt();
    this.begun = true;
    this.chances = relaxed ? this.relaxed : this.strict;
    const least = this.chances?.estimateOf(minPathProbability) ?? minPathProbability;
    tree.begin(last, depth > 0 ? nodes : 0);
    confidence.start(nodes + 1, relaxed ? priors.relaxed : priors.strict);
    if (this.states.length < (nodes + 1) * stateSize)
      this.states = new Int32Array((nodes + 1) * 2 * stateSize);
    this.catchUp();
    this.states.set(this.end, 0);
    // each row in turn is settled: what follows it may come before the candidates there are
    for (let row = 0; row < tree.size && row < nodes; row++) {
      if (line) tree.cut(row + 1);
      const token = tree.tokens[row] as number;
      if (row > 0) {
        // nothing follows the end of a text
        if ((tree.depths[row] as number) >= depth || this.endTokens.has(token)) continue;
        const parent = tree.parents[row] as number;
        this.walk(this.states, parent * stateSize, token, this.states, row * stateSize, sources);
      }
      this.expand(row, least);
    }
    const rows = { tokens: tree.tokens.slice(0, tree.size), parents: tree.parents.slice(0, tree.size) };
    confidence.follow(rows);
    return rows;
  }

  /** @param least estimate of a path that is worth its row */
  private expand(row: number, least: number): void {
    const { estimate, tree, confidence } = this;
    const { lift } = confidence;
    const path = tree.scores[row] as number;
    // confidence raises a chance to at most 1 + lift times what it was estimated at
    estimate.compute(this.states, row * stateSize, Math.max(least, tree.least) / path / (1 + lift));
    const { size, tokens, scores, likeliest } = estimate;
    if (size === 0) return;
    // rounding may bring a probability above 1
    const chance = Math.min(1, scores[likeliest] as number);
    confidence.expect(row, tokens[likeliest] as number, chance);
    // the others are left what the likeliest leaves
    const others = path * (1 - lift * chance);
    for (let i = 0; i < size; i++) {
      const score =
        i === likeliest ? path * (chance + lift * chance * (1 - chance)) : others * (scores[i] as number);
      if (score >= least) tree.push(score, tokens[i] as number, row);
    }
  }

  /**
   * Moves the end to that of the sequence. Contexts are short, so of many tokens only the last are walked: a context that
   * ends there begins behind the others.
   */
  private catchUp(): void {
    const { end, fresh, freshTokens, own } = this;
    const reach = Math.max(this.sources[0]?.maxLength ?? 1, this.sources[1]?.maxLength ?? 1) - 1;
    if (freshTokens > reach) end.fill(0);
    for (let i = Math.max(0, freshTokens - reach); i < freshTokens; i++)
      this.walk(end, 0, fresh[i] as number, end, 0, pools);
    this.freshTokens = 0;
    end[2 * pools] = own.end;
    end[2 * pools + 1] = own.endDepth;
  }

  /** The state of the first `count` sources after `token` from the one at `from` of `source`, written at `to` of `target`. */
  private walk(
    source: Int32Array,
    from: number,
    token: number,
    target: Int32Array,
    to: number,
    count: number,
  ): void {
    const { walker } = this;
    for (let s = 0; s < count; s++) {
      walker.node = source[from + 2 * s] as number;
      walker.depth = source[from + 2 * s + 1] as number;
      // a missing pool stays at its root, whatever the row held for an earlier request
      this.sources[s]?.walk(walker, token);
      target[to + 2 * s] = walker.node;
      target[to + 2 * s + 1] = walker.depth;
    }
  }
}
