/**
 * What a step costs on one machine, with one model: milliseconds by the number of sequences and of rows of each. Measured
 * by measure-costs.ts; drafts are weighed against it, and simulations predict times from it.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';
import { unreadable } from '../unreadable.js';

/** `milliseconds[b][r]`: a step of `batch[b]` sequences with `rows[r]` rows each (the last token and its draft). */
export interface CostTable {
  /** Ascending from 1. */
  batch: number[];
  /** Ascending from 1. */
  rows: number[];
  /** Above 0; more sequences or rows never take less. */
  milliseconds: number[][];
  /**
   * Milliseconds of a place that stays empty because another sequence has more rows; 0 if left out: steps take only what
   * their rows take.
   */
  padding?: number | undefined;
  /** Milliseconds of the host for a row, to draft and to judge it: the others are the model's alone. `usualHost` if left out. */
  host?: number | undefined;
  /** Milliseconds of the host for a draft, however few of its rows are kept; 0 if left out. */
  draft?: number | undefined;
}

/** Beside a GPU, where other threads draft as a rule; measured on the host of an H200. */
export const usualHost = 0.002;
/**
 * On a CPU, where the thread that decodes drafts too: 4 to 5 us were measured (AMD EPYC). With 2 greedy decoding of 16 texts
 * verified rows that weren't worth it, and was 5% slower where next to nothing matches.
 */
export const hostOnCpu = 0.005;
/** On a CPU: 12 us to draft and as many to verify beside a plain step's, by the least of eight runs (2 x AMD EPYC). */
export const draftOnCpu = 0.025;

const ascending = (what: string) =>
  z
    .array(z.number().int(), what)
    .min(1, what)
    .refine(
      (values) => values[0] === 1 && values.every((value, i) => i === 0 || value > (values[i - 1] ?? 0)),
      what,
    );
const paddingRule = '"padding" must be a number of at least 0';
const hostRule = '"host" must be a number of at least 0';
const draftRule = '"draft" must be a number of at least 0';
const shape = '"milliseconds" must hold a list for every "batch", of one number above 0 for every of "rows"';
export const costTableSchema = z
  .object(
    {
      batch: ascending('"batch" must be ascending whole numbers that begin with 1'),
      rows: ascending('"rows" must be ascending whole numbers that begin with 1'),
      milliseconds: z.array(z.array(z.number(shape).positive(shape), shape), shape),
      padding: z.number(paddingRule).min(0, paddingRule).optional(),
      host: z.number(hostRule).min(0, hostRule).optional(),
      draft: z.number(draftRule).min(0, draftRule).optional(),
    },
    'a cost table is an object with "batch", "rows" and "milliseconds"',
  )
  .refine(
    ({ batch, rows, milliseconds }) =>
      milliseconds.length === batch.length && milliseconds.every((line) => line.length === rows.length),
    shape,
  )
  .refine(
    ({ milliseconds }) => isMonotone(milliseconds),
    '"milliseconds" must not fall with more sequences or rows',
  );

/**
 * A cost table from JSON; what else stands in the object is left out.
 * @param where what the text is, for errors: usually a file
 * @throws inputError
 */
export function parseCostTable(text: string, where: string): CostTable {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw inputError(`${where} isn't JSON, or is cut off: ${messageOf(error)}`, remedy, error);
  }
  return checkCostTable(value, where);
}

/** The cost table in a value that was JSON. @throws inputError */
export function checkCostTable(value: unknown, where: string): CostTable {
  const { data, error } = costTableSchema.safeParse(value);
  if (data !== undefined) return data;
  throw inputError(`${where} holds no cost table: ${error.issues[0]?.message ?? ''}`, remedy);
}

/** The cost table in a file. @throws inputError when it can't be read, or holds none */
export function loadCostTable(file: string): CostTable {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(error, `the cost table ${file}`, remedy);
  }
  return parseCostTable(text, file);
}

const remedy =
  'Expected {"batch": [1, ...], "rows": [1, ...], "milliseconds": [[...], ...]}, as dare decode measures it.';

/**
 * Milliseconds of a step, interpolated linearly; more rows than the table has go on as its last two points do, more
 * sequences take their share of the last batch each.
 * @param batch sequences, at least 1
 * @param rows rows of each, at least 1; their mean where trees differ
 */
export function stepMilliseconds(table: CostTable, batch: number, rows: number): number {
  return costCurve(table, batch).at(rows);
}

/** The table of whole steps: the model's, and the host's, which does one row after the other. */
export function withHost(table: CostTable): CostTable {
  const { batch, rows, milliseconds, host = usualHost } = table;
  const whole = milliseconds.map((line, b) =>
    line.map((value, r) => value + host * (batch[b] as number) * (rows[r] as number)),
  );
  return { ...table, milliseconds: whole };
}

/**
 * Milliseconds that a text has of a step: its share of the model's time and the host's for its rows, and for its draft if it
 * has one.
 */
export function textMilliseconds(table: CostTable, batch: number, rows: number): number {
  const draft = rows > 1 ? (table.draft ?? 0) : 0;
  return stepMilliseconds(withHost(table), batch, rows) / batch + draft;
}

/** Milliseconds of a step of so many sequences, by rows of each. */
export function costCurve({ batch, rows, milliseconds }: CostTable, sequences: number): CostCurve {
  const most = batch[batch.length - 1] as number;
  const b = segment(batch, sequences);
  const low = milliseconds[b] as number[];
  if (sequences >= most) {
    const last = milliseconds[batch.length - 1] as number[];
    return new CostCurve(
      rows,
      last.map((value) => (value * sequences) / most),
    );
  }
  const high = milliseconds[b + 1] as number[];
  const share = shareOf(batch, b, sequences);
  return new CostCurve(
    rows,
    low.map((value, r) => value + share * ((high[r] as number) - value)),
  );
}

/** A line of a cost table: pieces of straight lines. */
export class CostCurve {
  constructor(
    private readonly rows: readonly number[],
    private readonly milliseconds: readonly number[],
  ) {}

  at(rows: number): number {
    const r = segment(this.rows, rows);
    const low = this.milliseconds[r] as number;
    const high = this.milliseconds[r + 1];
    return high === undefined ? low : low + shareOf(this.rows, r, rows) * (high - low);
  }

  /** What a row of every sequence costs beyond the first `rows`, on average over as many as make it least. */
  cheapestRow(rows: number): number {
    // what goes on beyond the table does so as its last two points do
    const from = Math.min(rows, this.rows.at(-2) ?? 1);
    const here = this.at(from);
    let least = Number.POSITIVE_INFINITY;
    for (const point of this.rows) {
      if (point > from) least = Math.min(least, (this.at(point) - here) / (point - from));
    }
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }
}

/**
 * Lowers times so that none is above one with more sequences or rows: noise only ever adds to a time, so the shorter step's
 * is the one that was disturbed.
 */
export function makeMonotone(milliseconds: readonly (readonly number[])[]): number[][] {
  const result = milliseconds.map((line) => [...line]);
  for (let b = result.length - 1; b >= 0; b--) {
    const line = result[b] as number[];
    for (let r = line.length - 1; r >= 0; r--) {
      const more = Math.min(
        line[r + 1] ?? Number.POSITIVE_INFINITY,
        result[b + 1]?.[r] ?? Number.POSITIVE_INFINITY,
      );
      line[r] = Math.min(line[r] as number, more);
    }
  }
  return result;
}

function isMonotone(milliseconds: readonly (readonly number[])[]): boolean {
  return milliseconds.every((line, b) =>
    line.every(
      (value, r) =>
        (r === 0 || value >= (line[r - 1] as number)) &&
        (b === 0 || value >= (milliseconds[b - 1]?.[r] ?? 0)),
    ),
  );
}

/** The piece between two of the points that `value` lies in, the last one for everything beyond; 0 with a single point. */
function segment(points: readonly number[], value: number): number {
  let at = 0;
  while (at + 2 < points.length && value > (points[at + 1] as number)) at++;
  return at;
}

function shareOf(points: readonly number[], at: number, value: number): number {
  const low = points[at] as number;
  return (value - low) / ((points[at + 1] as number) - low);
}
