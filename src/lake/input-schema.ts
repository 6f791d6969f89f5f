import { z } from 'zod';

/** A column of an input as a run found it. */
export interface InputColumn {
  /** DuckDB's name; of a CSV file's ids what they are kept as, of its other columns VARCHAR. */
  type: string;
  /** Rows without a value. */
  empty: number;
}

/** Input (`inputs.items`) -> the columns that the configuration names, by their names in the file. */
export type InputSchema = Record<string, Record<string, InputColumn>>;

const schema = z.record(z.string(), z.record(z.string(), z.object({ type: z.string(), empty: z.number() })));

/** The schema that a manifest of cohorts has; undefined for one of before there were schemas. */
export function inputSchemaOf(manifest: Record<string, unknown>): InputSchema | undefined {
  return schema.safeParse(manifest.schema).data;
}

export interface Drift {
  input: string;
  column: string;
  before: InputColumn;
  now: InputColumn;
}

/** Columns of both schemas that differ: in type, or in that values are missing where none were. */
export function schemaDrift(before: InputSchema, now: InputSchema): { types: Drift[]; empty: Drift[] } {
  const both = Object.entries(now).flatMap(([input, columns]) =>
    Object.entries(columns).flatMap(([column, found]): Drift[] => {
      const earlier = before[input]?.[column];
      return earlier === undefined ? [] : [{ input, column, before: earlier, now: found }];
    }),
  );
  return {
    types: both.filter((drift) => drift.before.type !== drift.now.type),
    empty: both.filter((drift) => drift.before.empty === 0 && drift.now.empty > 0),
  };
}
