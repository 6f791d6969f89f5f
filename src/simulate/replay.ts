/**
 * Decoding replayed without a model: the tokens of a recorded text stand for what the model would have said. At each
 * step a tree is drafted, the best path of it that agrees with the record is accepted, and one token comes after it,
 * as in real decoding.
 */
import { PathWorth } from '../decode/path-worth.js';
import type { DraftBudget } from '../draft/drafter.js';
import type { TreeRows } from '../engine/engine.js';

/** What the model would rather have said where it didn't say the recorded token: needed for relaxed matching. */
export interface SecondChoices {
  /** Second-best token at each place of the answer, [answerIds.length]; -1 where it doesn't pass. */
  ids: Int32Array;
  /** Nats that it costs, ln p of the best token less ln p of the second, [answerIds.length]. */
  costs: Float32Array;
}

/** A recorded text. */
export interface ReplayText {
  entityType: string | null;
  cohort: string | null;
  framework: string | null;
  /** What stands before the answer, at least one token. */
  promptIds: Int32Array;
  /** The recorded tokens, the end token last where the text ended by itself. */
  answerIds: Int32Array;
  second?: SecondChoices;
}

/** Anything that drafts; `Drafter` with its pools, or another method. */
export interface ReplayDrafter {
  /** Starts a text; its prompt follows through `append`. */
  begin(text: ReplayText): void;
  append(token: number): void;
  /** A tree below `last`, the last token that was appended. */
  draft(last: number, budget: DraftBudget): TreeRows;
}

export interface ReplayRule {
  /** Draft nodes of a step. */
  nodes: number;
  /** Least chance of a node; 0 if left out: the budget is always used up. */
  minPathProbability?: number;
  /** Tokens that a text may have; no limit if left out. */
  maxNewTokens?: number;
  /** Whether drafts must be lines. */
  line?: boolean;
  /** Nats that the second-best tokens of a text may cost in all; 0 if left out: greedy matching. */
  divergenceBudget?: number;
  /** Tokens that a second-best one must bring at a text's beginning, as `minGain` of decoding; 0 if left out. */
  minGain?: number;
}

/** What a replay came to; sums over its texts. */
export class ReplayCounts {
  texts = 0;
  promptTokens = 0;
  /** Tokens that the steps emitted, end tokens included. */
  tokens = 0;
  steps = 0;
  drafted = 0;
  accepted = 0;
  relaxed = 0;
  /** Nats. */
  divergence = 0;
  /** Milliseconds: taking in prompts; drafting and taking in what was emitted. */
  promptTime = 0;
  draftTime = 0;
  /** Microseconds of each draft. */
  readonly draftMicros: number[] = [];
  /** Steps by the number of rows that they verify, row 0 included. */
  readonly stepsByRows: number[] = [];

  get tokensPerStep(): number | null {
    return this.steps === 0 ? null : this.tokens / this.steps;
  }

  get draftMicrosPerToken(): number | null {
    return this.tokens === 0 ? null : (1000 * this.draftTime) / this.tokens;
  }

  /** The time in microseconds that a share of the drafts stayed within, 0.99 for the 99th percentile. */
  draftQuantile(share: number): number | null {
    const sorted = Float64Array.from(this.draftMicros).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  }

  countStep(rows: number): void {
    this.steps++;
    this.drafted += rows - 1;
    this.stepsByRows[rows] = (this.stepsByRows[rows] ?? 0) + 1;
  }
}

/** Replays texts one after the other and adds up. */
export function replay(
  texts: Iterable<ReplayText>,
  drafter: ReplayDrafter,
  rule: ReplayRule,
  counts = new ReplayCounts(),
): ReplayCounts {
  for (const text of texts) replayText(text, drafter, rule, counts);
  return counts;
}

function replayText(text: ReplayText, drafter: ReplayDrafter, rule: ReplayRule, counts: ReplayCounts): void {
  const { promptIds, answerIds } = text;
  const { nodes, minPathProbability = 0, line = false, divergenceBudget = 0, minGain = 0 } = rule;
  const most = rule.maxNewTokens ?? Number.MAX_SAFE_INTEGER;
  const end = Math.min(answerIds.length, most);
  const started = performance.now();
  drafter.begin(text);
  for (const token of promptIds) drafter.append(token);
  counts.promptTime += performance.now() - started;
  counts.promptTokens += promptIds.length;
  counts.texts++;
  let last = promptIds[promptIds.length - 1] as number;
  let spent = 0;
  for (let at = 0; at < end; ) {
    const drafting = performance.now();
    const relaxed = divergenceBudget > 0;
    const tree = drafter.draft(last, { nodes, minPathProbability, depth: most - at, line, relaxed });
    const drafted = performance.now();
    counts.countStep(tree.tokens.length);
    const gain = minGain * (1 - at / end);
    const match = matchTree(tree, text, at, { budget: divergenceBudget - spent, gain });
    const { path, cost } = match;
    spent += cost;
    const emitted = Math.min(path.length + 1, end - at);
    counts.tokens += emitted;
    counts.accepted += Math.min(path.length, emitted);
    counts.relaxed += match.relaxed;
    counts.divergence += cost;
    const taking = performance.now();
    for (let i = 0; i < emitted; i++) {
      const row = path[i];
      last = (row === undefined ? answerIds[at + i] : tree.tokens[row]) as number;
      drafter.append(last);
    }
    counts.draftTime += performance.now() - taking + (drafted - drafting);
    counts.draftMicros.push(1000 * (drafted - drafting));
    at += emitted;
  }
}

/** An accepted path. */
interface Match {
  /** Rows below row 0. */
  path: number[];
  /** Nats. */
  cost: number;
  relaxed: number;
}

/** What second-best tokens may do. */
interface MatchBounds {
  /** Nats that they may cost. */
  budget: number;
  /** Tokens that each must bring. */
  gain: number;
}

/**
 * The path of the tree that agrees with the answer from `at` on and has the most tokens, less `gain` for each second-best
 * one; of equal ones the cheapest, then the one drafted first, as `verify` chooses. After a second-best token the text is
 * taken to go on as recorded: what the model would have said then is not known.
 */
export function matchTree(
  { tokens, parents }: TreeRows,
  { answerIds, second }: ReplayText,
  at: number,
  { budget, gain }: MatchBounds,
): Match {
  const rows = tokens.length;
  /** Nats of the path to each row; NaN: it doesn't agree. */
  const costs = new Float64Array(rows).fill(Number.NaN);
  const depths = new Int32Array(rows);
  costs[0] = 0;
  const worth = new PathWorth(rows, gain);
  let best = 0;
  for (let row = 1; row < rows; row++) {
    const parent = parents[row] as number;
    const before = costs[parent] as number;
    if (Number.isNaN(before)) continue;
    const depth = (depths[parent] as number) + 1;
    const place = at + depth - 1;
    if (place >= answerIds.length) continue;
    const token = tokens[row] as number;
    let cost = before;
    if (token !== answerIds[place]) {
      if (second === undefined || second.ids[place] !== token) continue;
      cost += second.costs[place] as number;
      if (cost > budget) continue;
    }
    costs[row] = cost;
    depths[row] = depth;
    worth.add(row, parent, cost > before);
    if (worth.isBetter(row, best, costs)) best = row;
  }
  const path: number[] = [];
  let relaxed = 0;
  for (let row = best; row > 0; row = parents[row] as number) {
    path.unshift(row);
    if (tokens[row] !== answerIds[at + (depths[row] as number) - 1]) relaxed++;
  }
  return { path, cost: costs[best] as number, relaxed };
}
