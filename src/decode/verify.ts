import { float32Margin, type TreeRows, type Verdicts } from '../engine/engine.js';
import { PathWorth } from './path-worth.js';

export type DecodeMode = 'autoregressive' | 'greedy' | 'relaxed' | 'sample';

/** What verification reads: the model's verdicts, or those on changed logits. */
export type RowVerdicts = Pick<Verdicts, 'token' | 'logit' | 'probability' | 'ownProbability'>;

/** When a draft token is accepted. */
export interface AcceptRule {
  mode: DecodeMode;
  /** Relaxed: a token may rank up to here (1: only the argmax). */
  topK: number;
  /** Relaxed: the least probability of a token that isn't the argmax. */
  minProb: number;
  /** Relaxed: what a text may lose in all, the sum of ln p_max - ln p over its relaxed tokens, in nats. */
  divergenceBudget: number;
  /**
   * Relaxed: tokens that each relaxed token must bring more than the best path without it, at the beginning of a text. It
   * falls evenly to 0 over a text of usual length, because what is relaxed changes the rest of a text. 0: the longest path
   * wins, as in the paper.
   */
  minGain: number;
  /** Nats below which a decision counts as a near tie; that of an engine in float32 if left out. */
  nearTieMargin?: number;
}

/** What a step decided for one sequence. */
export interface Verification {
  /** Accepted rows, a path from row 0 (which was certain before). */
  path: number[];
  /** Nats that each row of the path cost; 0 for the argmax. */
  costs: number[];
  /** The token after the path: the model's own argmax, or the one drawn. */
  next: number;
  /** Decisions on the way that numerical noise could have turned. */
  nearTies: number;
}

/** How many of the best tokens the rule has to see at each row; one more than it accepts, for the margin. */
export function tokensToSee(rule: AcceptRule): number {
  return rule.mode === 'relaxed' ? Math.max(2, rule.topK + 1) : 2;
}

/** How far a text is. */
export interface TextState {
  /** Nats that it has lost so far. */
  spent: number;
  /** Share of a text of usual length that is still to come, 0 to 1. */
  rest: number;
}

/**
 * Chooses the accepted path of a tree. Greedy: the path of argmax tokens. Relaxed: of the acceptable paths the one with the
 * most tokens, less `minGain * rest` for each relaxed one; of equal ones the one with the least divergence, then the one
 * drafted first.
 */
export function verify(
  tree: TreeRows,
  verdicts: RowVerdicts,
  rule: AcceptRule,
  state: TextState,
): Verification {
  const chosen =
    rule.mode === 'relaxed' ? relaxedPath(tree, verdicts, rule, state) : greedyPath(tree, verdicts);
  const last = chosen.path[chosen.path.length - 1] as number;
  const margin = rule.nearTieMargin ?? float32Margin;
  let nearTies = chosen.nearTies;
  for (let i = 0; i < chosen.path.length; i++) {
    // the argmax was followed here: would the second have been, had it been a little larger?
    const followed = i + 1 === chosen.path.length || chosen.costs[i + 1] === 0;
    const row = chosen.path[i] as number;
    if (followed && verdicts.logit(row, 0) - verdicts.logit(row, 1) < margin) nearTies++;
  }
  return { path: chosen.path, costs: chosen.costs, next: verdicts.token(last, 0), nearTies };
}

type Chosen = Omit<Verification, 'next'>;

function greedyPath({ tokens, parents }: TreeRows, verdicts: RowVerdicts): Chosen {
  const path = [0];
  const costs = [0];
  let last = 0;
  // children lie after their parents, so one pass finds the path
  for (let row = 1; row < tokens.length; row++) {
    if (parents[row] !== last || tokens[row] !== verdicts.token(last, 0)) continue;
    path.push(row);
    costs.push(0);
    last = row;
  }
  return { path, costs, nearTies: 0 };
}

function relaxedPath(
  tree: TreeRows,
  verdicts: RowVerdicts,
  rule: AcceptRule,
  { spent, rest }: TextState,
): Chosen {
  const { tokens, parents } = tree;
  const rows = tokens.length;
  /** Divergence of the path to each row, NaN where it isn't acceptable. */
  const divergence = new Float64Array(rows).fill(Number.NaN);
  const price = rule.minGain * rest;
  const worth = new PathWorth(rows, price);
  divergence[0] = 0;
  let best = 0;
  const margin = rule.nearTieMargin ?? float32Margin;
  let nearTies = 0;
  for (let row = 1; row < rows; row++) {
    const parent = parents[row] as number;
    const before = divergence[parent] as number;
    if (Number.isNaN(before)) continue;
    const decision = decideRelaxed(row, parent, tokens[row] as number, verdicts, rule, spent + before);
    if (decision.near) nearTies++;
    if (decision.refused !== undefined) continue;
    const { cost } = decision;
    divergence[row] = before + cost;
    worth.add(row, parent, cost > 0);
    if (worth.isBetter(row, best, divergence)) best = row;
  }
  const path: number[] = [];
  for (let row = best; row >= 0; row = parents[row] as number) path.unshift(row);
  for (let row = 1; row < rows; row++) {
    if (Number.isNaN(divergence[row])) continue;
    const rival = row !== best && worth.of(row) === worth.of(best);
    if (rival && Math.abs((divergence[row] as number) - (divergence[best] as number)) < margin) nearTies++;
    // where relaxing has its price, a token that turns into the first choice, or out of it, changes what its path is worth;
    // first choices on the path are looked at by `verify`
    const parent = parents[row] as number;
    const isFirst = tokens[row] === verdicts.token(parent, 0);
    if (price === 0 || (isFirst && path.includes(row))) continue;
    const second = isFirst ? verdicts.probability(parent, 1) : verdicts.ownProbability(row);
    if (Math.log(verdicts.probability(parent, 0)) - Math.log(second) < margin) nearTies++;
  }
  const costs = path.map((row, i) =>
    i === 0 ? 0 : (divergence[row] as number) - (divergence[path[i - 1] as number] as number),
  );
  return { path, costs, nearTies };
}

/** What relaxed verification says of one row. */
export interface RelaxedDecision {
  /** Nats that accepting it costs. */
  cost: number;
  /** The first condition that it fails; undefined where it may be accepted. */
  refused: 'rank' | 'probability' | 'budget' | undefined;
  /** Decided by a hair. */
  near: boolean;
}

/** Whether `token` may follow `parent`, once the text and the path to there have cost `spent` nats. */
export function decideRelaxed(
  row: number,
  parent: number,
  token: number,
  verdicts: RowVerdicts,
  rule: AcceptRule,
  spent: number,
): RelaxedDecision {
  let rank = 0;
  while (rank < rule.topK && verdicts.token(parent, rank) !== token) rank++;
  if (rank === 0) return { cost: 0, refused: undefined, near: false };
  const probability = verdicts.ownProbability(row);
  const cost = Math.log(verdicts.probability(parent, 0)) - Math.log(probability);
  const probable = probability >= rule.minProb;
  const affordable = spent + cost <= rule.divergenceBudget;
  // the margin of each condition counts only where the other conditions hold
  const ranked = rank < rule.topK;
  // the token that would take its place: the best one outside, or for a refused token the last one inside
  const rival = verdicts.probability(parent, ranked ? rule.topK : rule.topK - 1);
  const rankMargin = Math.abs(Math.log(probability) - Math.log(rival));
  const probabilityMargin = Math.abs(Math.log(probability) - Math.log(rule.minProb));
  const budgetMargin = Math.abs(spent + cost - rule.divergenceBudget);
  const margin = rule.nearTieMargin ?? float32Margin;
  const near =
    (probable && affordable && rankMargin < margin) ||
    (ranked && affordable && probabilityMargin < margin) ||
    (ranked && probable && budgetMargin < margin);
  const refused = !ranked ? 'rank' : !probable ? 'probability' : !affordable ? 'budget' : undefined;
  return { cost, refused, near };
}
