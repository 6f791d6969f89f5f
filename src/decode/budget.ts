/**
 * How many draft rows of a step are worth their time. A row brings its chance of being accepted, in tokens, and costs what
 * it adds to the step. Over many steps tokens / time is largest where each step takes the rows that make
 * tokens - rate * time largest, `rate` being the quotient that is reached so (Dinkelbach 1967).
 */

import { type CostCurve, type CostTable, costCurve, withHost } from '../engine/cost-table.js';
import type { DecodeSettings } from './sequence.js';

/**
 * Tokens that rows must promise for each that plain decoding has in the time that they take; else they aren't kept. A promise
 * is no more than that: where next to nothing matched, drafts of 16 texts brought 7 to 15% fewer tokens than was expected, and
 * steps with some short ones took longer than by the cost table. Where texts match, rows have to bring much more anyway: as
 * many as the others do.
 */
export const worthwhile = 1.25;

/** How large drafts are made before the best of their rows are chosen. */
export interface DraftLimit {
  nodes: number;
  /** A node less likely than this to be accepted isn't worth its row. */
  minPathProbability: number;
}

/** What the sequences of a budget did in a step. */
export interface StepReport {
  sequences: number;
  /** Rows of their drafts, without each one's last token; those of the longest. */
  draftRows: number;
  longest: number;
  /** Sum of the rows' estimated chances of being accepted. */
  expected: number;
  accepted: number;
  /** Tokens that were emitted. */
  tokens: number;
}

export function addReports(reports: readonly StepReport[]): StepReport {
  const sum = { sequences: 0, draftRows: 0, longest: 0, expected: 0, accepted: 0, tokens: 0 };
  for (const { sequences, draftRows, longest, expected, accepted, tokens } of reports) {
    sum.sequences += sequences;
    sum.draftRows += draftRows;
    sum.longest = Math.max(sum.longest, longest);
    sum.expected += expected;
    sum.accepted += accepted;
    sum.tokens += tokens;
  }
  return sum;
}

/** What is left of a draft. */
export interface Kept {
  /** The first ones. */
  rows: number;
  /** Tokens that they promise beyond what plain decoding brings in the time that they and the draft take; 0 without rows. */
  worth: number;
}

/** Decides on the rows of drafts. */
export interface Budget {
  /** What the drafts of so many sequences are made within. */
  limit(sequences: number): DraftLimit;
  /**
   * What to keep of each draft.
   * @param gains estimated chances of being accepted of each draft's rows, none higher than the one before
   */
  choose(gains: readonly Float64Array[]): Kept[];
  record(report: StepReport): void;
}

/** Drafts of a size that was asked for. */
export class FixedBudget implements Budget {
  constructor(private readonly given: DraftLimit) {}

  limit(): DraftLimit {
    return this.given;
  }

  /** A size that was asked for is worth it. */
  choose(gains: readonly Float64Array[]): Kept[] {
    return gains.map((rows) => ({ rows: rows.length, worth: Math.min(1, rows.length) }));
  }

  record(): void {}
}

/** Settings that a budget follows from. */
export type BudgetRules = Pick<DecodeSettings, 'mode' | 'nodes' | 'minPathProbability' | 'costs'>;

/** Whether every sequence is decided for by itself (`OwnBudgets`): where a text depends on its drafts, and must not on its neighbours. */
export function hasOwnBudgets({
  mode,
  reproducible,
  minPathProbability,
}: Pick<DecodeSettings, 'mode' | 'reproducible' | 'minPathProbability'>): boolean {
  return mode === 'relaxed' && reproducible && minPathProbability === undefined;
}

/** The budget of sequences that are decided for together. */
export function budgetFor(rules: BudgetRules): Budget {
  const { mode, nodes, minPathProbability, costs } = rules;
  if (mode === 'autoregressive' || nodes === 0) return new FixedBudget({ nodes: 0, minPathProbability: 1 });
  if (minPathProbability !== undefined) return new FixedBudget({ nodes, minPathProbability });
  return new CostBudget(given(costs), nodes);
}

/** @throws Error when there is none: measuring it comes before decoding */
export function given(costs: CostTable | undefined): CostTable {
  if (costs === undefined) throw new Error('rows are weighed without a cost table');
  return costs;
}

/** What was seen counts half as much after so many steps. */
const halfLife = 32;
const fading = 0.5 ** (1 / halfLife);
/** Weights of what is assumed before anything was seen: steps at the first one's best rate, tokens that came as estimated. */
const assumedSteps = 8;
const assumedTokens = 4;

/** Weighs the rows of a step's sequences against each other by a cost table. */
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
  /** Of whole steps. */
  private readonly table: CostTable;

  /**
   * @param model what steps take inside the model
   * @param nodes of a draft, at most
   */
  constructor(
    model: CostTable,
    private readonly nodes: number,
  ) {
    this.table = withHost(model);
  }

  limit(sequences: number): DraftLimit {
    const curve = this.curveOf(sequences);
    // a step's first rows may be free, and every draft as large as it can be: what counts is what more than usual cost
    const cheapest = curve.cheapestRow(1 + (this.seen === 0 ? 0 : this.rows / this.seen));
    const minPathProbability = (this.speedup / curve.at(1)) * (cheapest / this.trust);
    return { nodes: this.nodes, minPathProbability };
  }

  choose(gains: readonly Float64Array[]): Kept[] {
    const step = {
      gains,
      trust: this.trust,
      price: this.priceOf(gains.length),
      lengths: this.lengthsOf(gains),
    };
    if (this.plainTokens === 0) {
      this.plainTokens = assumedSteps * gains.length;
      this.tokens = bestQuotient(step) * this.plainTokens;
    }
    return this.valued(bestChoice(step, this.speedup).rows, step);
  }

  private valued(rows: readonly number[], { gains, trust, price }: Step): Kept[] {
    const sequences = gains.length;
    const all = rows.reduce((sum, kept) => sum + kept, 0);
    const longest = rows.reduce((most, kept) => Math.max(most, kept), 0);
    const row = all === 0 ? 0 : (price(all, longest) - price(0, 0)) / all;
    // all sequences wait while one is drafted for
    const draft = (sequences * (this.table.draft ?? 0)) / this.curveOf(sequences).at(1);
    return rows.map((kept, i) => {
      if (kept === 0) return { rows: 0, worth: 0 };
      const promised = (gains[i] as Float64Array).subarray(0, kept).reduce((sum, gain) => sum + gain, 0);
      return { rows: kept, worth: trust * promised - this.speedup * (kept * row + draft) };
    });
  }

  record({ sequences, draftRows, longest, expected, accepted, tokens }: StepReport): void {
    this.plainTokens = this.plainTokens * fading + this.priceOf(sequences)(draftRows, longest);
    this.tokens = this.tokens * fading + tokens;
    this.seen = this.seen * fading + sequences;
    this.rows = this.rows * fading + draftRows;
    this.accepted = assumedTokens + (this.accepted - assumedTokens) * fading + accepted;
    this.expected = assumedTokens + (this.expected - assumedTokens) * fading + expected;
  }

  /** Tokens a time, as a multiple of plain decoding's: rows that don't bring as many aren't worth theirs. */
  private get speedup(): number {
    return this.plainTokens === 0 ? worthwhile : Math.max(worthwhile, this.tokens / this.plainTokens);
  }

  /** Accepted tokens for each that the estimates say. */
  private get trust(): number {
    return this.accepted / this.expected;
  }

  private priceOf(sequences: number): Price {
    const { padding = 0 } = this.table;
    const curve = this.curveOf(sequences);
    const plain = curve.at(1);
    return (drafted, longest) =>
      (sequences * (curve.at(1 + drafted / sequences) + padding * (sequences * longest - drafted))) / plain;
  }

  /** Lengths that drafts are tried to be cut at. */
  private lengthsOf(gains: readonly Float64Array[]): number[] {
    const longest = gains.reduce((most, rows) => Math.max(most, rows.length), 0);
    if (gains.length === 1 || (this.table.padding ?? 0) === 0) return [longest];
    return [...triedLengths.filter((length) => length < longest), longest];
  }

  private curveOf(batch: number): CostCurve {
    const known = this.curves.get(batch);
    if (known !== undefined) return known;
    const curve = costCurve(this.table, batch);
    this.curves.set(batch, curve);
    return curve;
  }
}

/**
 * Time of a step with so many draft rows, `longest` in one sequence, as a multiple of what one of single rows takes, times
 * the sequences: the tokens that plain decoding would bring meanwhile.
 */
type Price = (drafted: number, longest: number) => number;

/** Candidates of a step. */
interface Step {
  gains: readonly Float64Array[];
  trust: number;
  price: Price;
  lengths: readonly number[];
}

interface Choice {
  rows: number[];
  tokens: number;
  time: number;
}

const triedLengths = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48];

/** The rows that make tokens - rate * time largest; the fewest of equally good ones. */
function bestChoice({ gains, trust, price, lengths }: Step, rate: number): Choice {
  let best = { tokens: gains.length, time: price(0, 0), value: gains.length - rate * price(0, 0) };
  let all = new Float64Array(0);
  let count = 0;
  let length = 0;
  for (const most of lengths) {
    const sorted = joined(gains, most);
    let tokens = gains.length;
    for (let rows = 1; rows <= sorted.length; rows++) {
      tokens += trust * (sorted[rows - 1] as number);
      // no draft is longer than all rows together
      const time = price(rows, Math.min(most, rows));
      const value = tokens - rate * time;
      if (value <= best.value) continue;
      best = { tokens, time, value };
      all = sorted;
      count = rows;
      length = most;
    }
  }
  const cut = gains.map((rows) => rows.subarray(0, length));
  return { rows: rowsOfEach(cut, all, count), tokens: best.tokens, time: best.time };
}

/** The largest tokens / time that this step can have by itself: the rate at which its best rows reach just that rate. */
function bestQuotient(step: Step): number {
  let rate = 1;
  for (;;) {
    const { tokens, time } = bestChoice(step, rate);
    if (tokens / time <= rate) return rate;
    rate = tokens / time;
  }
}

/** The first rows of all drafts, the highest chance first. */
function joined(gains: readonly Float64Array[], most: number): Float64Array<ArrayBuffer> {
  const all = new Float64Array(gains.reduce((sum, rows) => sum + Math.min(most, rows.length), 0));
  let at = 0;
  for (const rows of gains) {
    const first = rows.subarray(0, most);
    all.set(first, at);
    at += first.length;
  }
  return all.sort().reverse();
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
