/**
 * How many draft rows of a step are worth their time. A row brings its chance of being accepted, in tokens, and costs what
 * it adds to the step. Over many steps tokens / time is largest where each step takes the rows that make
 * tokens - rate * time largest, `rate` being the quotient that is reached so (Dinkelbach 1967).
 */

import { type CostCurve, type CostTable, costCurve } from '../engine/cost-table.js';
import type { DecodeSettings } from './sequence.js';

/** How large drafts are made before the best of their rows are chosen. */
export interface DraftLimit {
  nodes: number;
  /** A node less likely than this to be accepted isn't worth its row. */
  minPathProbability: number;
}

/** What the sequences of a budget did in a step. */
export interface StepReport {
  sequences: number;
  /** Rows of their drafts, without each one's last token. */
  draftRows: number;
  /** Sum of the rows' estimated chances of being accepted. */
  expected: number;
  accepted: number;
  /** Tokens that were emitted. */
  tokens: number;
}

export function addReports(reports: readonly StepReport[]): StepReport {
  const sum = { sequences: 0, draftRows: 0, expected: 0, accepted: 0, tokens: 0 };
  for (const report of reports) {
    for (const key of Object.keys(sum) as (keyof StepReport)[]) sum[key] += report[key];
  }
  return sum;
}

/** Decides on the rows of drafts. */
export interface Budget {
  /** What the drafts of so many sequences are made within. */
  limit(sequences: number): DraftLimit;
  /**
   * How many rows of each draft to keep: the first ones.
   * @param gains estimated chances of being accepted of each draft's rows, none higher than the one before
   */
  choose(gains: readonly Float64Array[]): number[];
  record(report: StepReport): void;
}

/** Drafts of a size that was asked for. */
export class FixedBudget implements Budget {
  constructor(private readonly given: DraftLimit) {}

  limit(): DraftLimit {
    return this.given;
  }

  choose(gains: readonly Float64Array[]): number[] {
    return gains.map((rows) => rows.length);
  }

  record(): void {}
}

/** Settings that a budget follows from. */
export type BudgetRules = Pick<
  DecodeSettings,
  'mode' | 'nodes' | 'minPathProbability' | 'costs' | 'reproducible'
>;

/** Whether every sequence has a budget of its own: where a text depends on its drafts, and must not on its neighbours. */
export function hasOwnBudgets({
  mode,
  reproducible,
  minPathProbability,
}: Pick<DecodeSettings, 'mode' | 'reproducible' | 'minPathProbability'>): boolean {
  return mode === 'relaxed' && reproducible && minPathProbability === undefined;
}

export function budgetFor(rules: BudgetRules): Budget {
  const { mode, nodes, minPathProbability, costs } = rules;
  if (mode === 'autoregressive' || nodes === 0) return new FixedBudget({ nodes: 0, minPathProbability: 1 });
  if (minPathProbability !== undefined) return new FixedBudget({ nodes, minPathProbability });
  if (costs === undefined) throw new Error('rows are weighed without a cost table');
  return new CostBudget(costs, nodes, hasOwnBudgets(rules) ? costs.batch.at(-1) : undefined);
}

/** What was seen counts half as much after so many steps. */
const halfLife = 32;
const fading = 0.5 ** (1 / halfLife);
/** Weights of what is assumed before anything was seen: steps at the first one's best rate, tokens that came as estimated. */
const assumedSteps = 8;
const assumedTokens = 4;

/**
 * Weighs rows against a cost table. Decides for the sequences of a step together, or for one alone as if the step's other
 * sequences were like it: then it depends on nothing but that sequence.
 */
export class CostBudget implements Budget {
  /** Tokens of the steps so far, and what steps of single rows would have brought in the same time. */
  private tokens = 0;
  private plainTokens = 0;
  /** Sequences that had a step, and the draft rows that were chosen for them. */
  private seen = 0;
  private rows = 0;
  private accepted = assumedTokens;
  private expected = assumedTokens;
  private readonly curves = new Map<number, CostCurve>();

  /**
   * @param nodes of a draft, at most
   * @param batch sequences that share a step; those that are decided for together if left out
   */
  constructor(
    private readonly table: CostTable,
    private readonly nodes: number,
    private readonly batch?: number,
  ) {}

  limit(sequences: number): DraftLimit {
    const batch = this.batch ?? sequences;
    const curve = this.curveOf(batch);
    // a step's first rows may be free, and every draft as large as it can be: what counts is what the usual last ones cost
    const cheapest = curve.cheapestRow(1 + (this.seen === 0 ? 0 : this.rows / this.seen));
    const minPathProbability = (this.speedup / curve.at(1)) * (cheapest / this.trust);
    return { nodes: this.nodes, minPathProbability };
  }

  choose(gains: readonly Float64Array[]): number[] {
    const step = this.stepOf(gains);
    if (this.plainTokens === 0) {
      this.plainTokens = assumedSteps * gains.length;
      this.tokens = bestQuotient(step) * this.plainTokens;
    }
    return rowsOfEach(gains, step.gains, bestRows(step, this.speedup));
  }

  record({ sequences, draftRows, expected, accepted, tokens }: StepReport): void {
    const curve = this.curveOf(this.batch ?? sequences);
    this.tokens = this.tokens * fading + tokens;
    this.plainTokens =
      this.plainTokens * fading + (sequences * curve.at(1 + draftRows / sequences)) / curve.at(1);
    this.seen = this.seen * fading + sequences;
    this.rows = this.rows * fading + draftRows;
    this.accepted = assumedTokens + (this.accepted - assumedTokens) * fading + accepted;
    this.expected = assumedTokens + (this.expected - assumedTokens) * fading + expected;
  }

  /** Tokens a time, as a multiple of plain decoding's: at least that, which can always be had. */
  private get speedup(): number {
    return this.plainTokens === 0 ? 1 : Math.max(1, this.tokens / this.plainTokens);
  }

  /** Accepted tokens for each that the estimates say. */
  private get trust(): number {
    return this.accepted / this.expected;
  }

  private stepOf(gains: readonly Float64Array[]): Step {
    const all = new Float64Array(gains.reduce((sum, rows) => sum + rows.length, 0));
    let at = 0;
    for (const rows of gains) {
      all.set(rows, at);
      at += rows.length;
    }
    const curve = this.curveOf(this.batch ?? gains.length);
    return { sequences: gains.length, gains: all.sort().reverse(), trust: this.trust, curve };
  }

  private curveOf(batch: number): CostCurve {
    const known = this.curves.get(batch);
    if (known !== undefined) return known;
    const curve = costCurve(this.table, batch);
    this.curves.set(batch, curve);
    return curve;
  }
}

/** Candidates of a step. */
interface Step {
  sequences: number;
  /** Of all drafts' rows, the highest first. */
  gains: Float64Array;
  trust: number;
  curve: CostCurve;
}

/** Tokens of a step with the best so many rows. */
function tokensWith(step: Step, rows: number): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += step.gains[i] as number;
  return step.sequences + step.trust * sum;
}

/** Time of a step with so many rows, in steps of single rows, times the sequences. */
function timeWith({ sequences, curve }: Step, rows: number): number {
  return (sequences * curve.at(1 + rows / sequences)) / curve.at(1);
}

/** How many of the best rows make tokens - rate * time largest; the fewest of equally good numbers. */
function bestRows(step: Step, rate: number): number {
  const { gains, trust } = step;
  let tokens = step.sequences;
  let best = 0;
  let most = tokens - rate * timeWith(step, 0);
  for (let rows = 1; rows <= gains.length; rows++) {
    tokens += trust * (gains[rows - 1] as number);
    const value = tokens - rate * timeWith(step, rows);
    if (value > most) {
      most = value;
      best = rows;
    }
  }
  return best;
}

/** The largest tokens / time that this step can have by itself: the rate at which its best rows reach just that rate. */
function bestQuotient(step: Step): number {
  let rate = 1;
  for (;;) {
    const rows = bestRows(step, rate);
    const reached = tokensWith(step, rows) / timeWith(step, rows);
    if (reached <= rate) return rate;
    rate = reached;
  }
}

/** How many of each draft's rows are among the best `count` of all; of equal ones the first drafts' are. */
function rowsOfEach(gains: readonly Float64Array[], all: Float64Array, count: number): number[] {
  if (count === 0) return gains.map(() => 0);
  const least = all[count - 1] as number;
  let equal = count - all.indexOf(least);
  return gains.map((rows) => {
    let kept = 0;
    while (kept < rows.length && (rows[kept] as number) > least) kept++;
    while (equal > 0 && kept < rows.length && rows[kept] === least) {
      kept++;
      equal--;
    }
    return kept;
  });
}
