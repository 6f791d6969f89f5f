/** What a step of decoding did, row by row, for people who ask why a text is what it is. */
import type { TreeRows } from '../engine/engine.js';
import { type AcceptRule, decideRelaxed, type RowVerdicts, type Verification } from './verify.js';

/**
 * What became of a draft token. Accepted: the model's own choice. Relaxed: near enough to it. Refused for its rank, its
 * probability, the nats that it would have cost, or because another one was drawn. Else nobody refused it: it follows a
 * token that was refused, lies on a path that is shorter, or as long and not cheaper, or longer, but by less than its
 * relaxed tokens must bring, or the text ended before it.
 */
export const nodeVerdicts = [
  'accepted',
  'relaxed',
  'rank',
  'probability',
  'budget',
  'drawn',
  'unreached',
  'shorter',
  'costlier',
  'gain',
  'ended',
] as const;
export type NodeVerdict = (typeof nodeVerdicts)[number];

/** Tokens before a draft token that a source knew, in each of the sources. */
export interface Matched {
  cohort: number;
  shared: number;
  own: number;
}

/** A row of a draft tree below row 0. */
export interface TracedNode {
  token: number;
  /** Row that it follows; 0 is the end of the text before. */
  parent: number;
  /** Estimated before the step: that the path to here is accepted. */
  chance: number;
  matched: Matched;
  /** Given what is before it, by the model (at temperature 1). */
  probability: number;
  /** 0: the model's first choice; null: below those that the step shows. */
  rank: number | null;
  /** ln p_max - ln p, in nats. */
  gap: number;
  verdict: NodeVerdict;
}

export interface TracedStep {
  /** The text's last token, row 0. */
  last: number;
  /** Rows 1 and on. */
  nodes: TracedNode[];
  /** Nats that the text had cost before. */
  spent: number;
  /** The model's own token behind what was accepted; null for a step that was made for a hidden state alone. */
  next: { token: number; probability: number | null; emitted: boolean } | null;
}

/** What a step is told by. */
export interface StepFacts {
  tree: TreeRows;
  verdicts: RowVerdicts;
  rule: AcceptRule;
  /** Best tokens that the verdicts show at each row. */
  shown: number;
  verification: Verification;
  /** Estimated chances of rows 1 and on. */
  chances: Float64Array;
  matched: (parent: number) => Matched;
  spent: number;
}

/** Describes a step. A pure function of what decided it, by the rule that decided it. */
export function traceStep(facts: StepFacts): TracedStep {
  const { tree, verdicts, verification, chances, matched, spent } = facts;
  const { path, next } = verification;
  const became = verdictsOf(facts);
  const nodes: TracedNode[] = [];
  for (let row = 1; row < tree.tokens.length; row++) {
    const parent = tree.parents[row] as number;
    const probability = verdicts.ownProbability(row);
    nodes.push({
      token: tree.tokens[row] as number,
      parent,
      chance: chances[row - 1] as number,
      matched: matched(parent),
      probability,
      rank: rankOf(facts, row),
      gap: Math.max(0, Math.log(verdicts.probability(parent, 0)) - Math.log(probability)),
      verdict: became[row] as NodeVerdict,
    });
  }
  const last = path[path.length - 1] as number;
  const shown = rankIn(verdicts, last, next, facts.shown);
  const probability = shown === null ? null : verdicts.probability(last, shown);
  return {
    last: tree.tokens[0] as number,
    nodes,
    spent,
    next: { token: next, probability, emitted: true },
  };
}

/** Marks what comes behind the end of the text. @param emitted tokens that the step brought: of the path, then the one behind it */
export function markEnded({ nodes, next }: TracedStep, path: readonly number[], emitted: number): void {
  for (const row of path.slice(emitted + 1)) (nodes[row - 1] as TracedNode).verdict = 'ended';
  if (next !== null) next.emitted = emitted >= path.length;
}

/** A step that only computed the hidden state of the text's last token. */
export function stateStep(last: number, spent: number): TracedStep {
  return { last, nodes: [], spent, next: null };
}

function verdictsOf(facts: StepFacts): (NodeVerdict | undefined)[] {
  const { tree, verification } = facts;
  const { path, costs } = verification;
  const became: (NodeVerdict | undefined)[] = [undefined];
  /** Divergence and length of the acceptable path to each row; NaN where there is none. */
  const paid = [0];
  const length = [0];
  for (let row = 1; row < tree.tokens.length; row++) {
    const parent = tree.parents[row] as number;
    const place = path.indexOf(row);
    const refused = Number.isNaN(paid[parent]) ? 'unreached' : refusal(facts, row, paid[parent] as number);
    const nats = typeof refused === 'string' ? Number.NaN : (paid[parent] as number) + refused;
    paid.push(nats);
    length.push((length[parent] as number) + 1);
    if (place > 0) became.push(costs[place] === 0 ? 'accepted' : 'relaxed');
    else if (typeof refused === 'string') became.push(refused);
    else became.push(unchosen((length[row] as number) - (path.length - 1)));
  }
  return became;
}

/** Why an acceptable row was left. @param longer tokens that its path has more than the chosen one */
function unchosen(longer: number): NodeVerdict {
  if (longer > 0) return 'gain';
  return longer < 0 ? 'shorter' : 'costlier';
}

/** Why a row whose parent is acceptable isn't, or the nats that it costs. */
function refusal({ tree, verdicts, rule, verification, spent }: StepFacts, row: number, paid: number) {
  if (rule.mode === 'relaxed') {
    const [token, parent] = [tree.tokens[row] as number, tree.parents[row] as number];
    const { refused, cost } = decideRelaxed(row, parent, token, verdicts, rule, spent + paid);
    return refused ?? cost;
  }
  if (verification.path.includes(row)) return 0;
  return rule.mode === 'sample' ? 'drawn' : 'rank';
}

function rankOf({ tree, verdicts, shown }: StepFacts, row: number): number | null {
  return rankIn(verdicts, tree.parents[row] as number, tree.tokens[row] as number, shown);
}

function rankIn(verdicts: RowVerdicts, row: number, token: number, shown: number): number | null {
  for (let rank = 0; rank < shown; rank++) if (verdicts.token(row, rank) === token) return rank;
  return null;
}
