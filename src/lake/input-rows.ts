/** What reading entities and ratings have in common. */
import { inputError } from '../errors.js';
import { type Duck, quoteIdentifier } from './duck.js';
import { createView, describeFiles, type InputFiles } from './input-files.js';

/** Finds the first row that `expression` does not understand, and says what was expected there. */
export async function throwLocated(
  duck: Duck,
  input: InputFiles,
  key: string,
  column: string,
  expression: string,
  expected: string,
): Promise<never> {
  const value = `cast(${quoteIdentifier(column)} as varchar)`;
  for (const file of input.files) {
    const columns = [
      { name: 'value', expression: value },
      { name: 'understood', expression },
    ];
    await createView(duck, 'located_source', input, columns, [file]);
    const row = (await duck.scriptRows('inputs/locate'))[0];
    if (row === undefined) continue;
    const found = row.value === null || row.value === '' ? 'nothing' : `"${row.value}"`;
    throw inputError(
      `${key}: row ${row.row_number} of ${file} has ${found} in column "${column}", expected ${expected}`,
      'Correct or remove that row (rows are counted from 1, without the header).',
    );
  }
  throw inputError(`${key}: column "${column}" of ${describeFiles(input)} changed while it was read`);
}

/** A missing time is allowed: such a rating counts as the earliest. */
export function orNoTime(column: string, time: string): string {
  return `case when ${quoteIdentifier(column)} is null then true when ${time} is not null then true end`;
}

/** SQL for an id as text, NULL where there is none. */
export function idOf(column: string): string {
  return `nullif(cast(${quoteIdentifier(column)} as varchar), '')`;
}

/** Type of a CSV file's ids. */
export async function csvKeyType(duck: Duck, source: string): Promise<string> {
  return String(one(await duck.scriptRows('inputs/key-type', { identifiers: { source } })).key_type);
}

/** The type that ids of a file with types are kept as. */
export function plainType(type: string): string {
  return type.startsWith('ENUM') ? 'VARCHAR' : type;
}

/** The only row of a result, its BIGINTs as numbers. */
export function one(rows: Record<string, unknown>[]): Record<string, unknown> {
  const row = rows[0];
  if (row === undefined) throw new Error('the query returned no row');
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );
}
