import { inputError } from '../errors.js';
import { type Duck, quoteIdentifier } from './duck.js';
import { createView, describeFiles, emptyError, type InputFiles, reading } from './input-files.js';
import type { InputColumn, InputSchema } from './input-schema.js';
import { type FoundEntities, type FoundRatings, findSources, type Sources } from './input-sources.js';

/** What was opened. */
export interface OpenedInputs {
  /** One sentence for each kind of row that was left out. */
  warnings: string[];
  itemCount: number;
  userCount: number;
  ratingCount: number;
  /** The columns that the sources name. */
  schema: InputSchema;
  /** Input (`inputs.items`) -> its files, for messages. */
  files: Record<string, string>;
}

/**
 * Reads and validates the inputs into tables of the session:
 * - `items(item_id VARCHAR, <our names>, item_key <the id's own type>)`
 * - `users(user_id VARCHAR, <our names>, user_key <the id's own type>)`: the users' file, or else those who rated
 * - `ratings(user_id VARCHAR, item_id VARCHAR, rating DOUBLE, rated_at TIMESTAMP in UTC)`: of known items and users,
 *   one for each user and item (the latest; of equally late ones the highest)
 *
 * CSV columns stay text as written; a CSV file's ids are BIGINT if all are plain whole numbers, else VARCHAR.
 * The tables have no order of their own.
 * @throws inputError for anything in the files that can't be used: missing files and columns, wrong types, no rows,
 * duplicate or null ids, text that isn't UTF-8, ratings mostly of unknown items or users.
 */
export async function openInputs(duck: Duck, sources: Sources): Promise<OpenedInputs> {
  const found = await findSources(duck, sources);
  await duck.script('inputs/macros');
  const items = await openEntities(duck, 'items', found.items);
  const given = found.users === undefined ? undefined : await openEntities(duck, 'users', found.users);
  const ratings = await openRatings(duck, found.ratings, given !== undefined);
  const { ratingCount, warnings } = ratings;
  const users = given ?? (await usersOfRatings(duck, ratings.userType));
  const { user } = sources.ratings;
  const columns = { ...ratings.columns };
  if (given === undefined) columns[user] = { type: users.keyType, empty: 0 };
  return {
    warnings,
    itemCount: items.count,
    userCount: users.count,
    ratingCount,
    schema: {
      'inputs.items': items.columns,
      ...(given && { 'inputs.users': given.columns }),
      'inputs.ratings': columns,
    },
    files: {
      'inputs.items': items.files,
      ...(given && { 'inputs.users': given.files }),
      'inputs.ratings': ratings.files,
    },
  };
}

interface Entities {
  count: number;
  keyType: string;
  columns: Record<string, InputColumn>;
  files: string;
}

/** Tables `items` and `users`. */
async function openEntities(
  duck: Duck,
  table: 'items' | 'users',
  { source, input, columns, idType }: FoundEntities,
): Promise<Entities> {
  const { key } = input;
  const singular = table === 'items' ? 'item' : 'user';
  const names = { table, source: `${table}_source`, id: `${singular}_id`, key: `${singular}_key` };
  await createView(duck, names.source, input, columns);
  const { keyType, counts } = await reading(input, async () => {
    const key_type = input.format === 'csv' ? await csvKeyType(duck, names.source) : plainType(idType);
    const rows = await duck.scriptRows('inputs/entities', { identifiers: { ...names, key_type } });
    return { keyType: key_type, counts: one(rows) };
  });
  if (counts.row_count === 0) throw emptyError(key, describeFiles(input));
  if (counts.id_count !== counts.row_count) {
    await throwLocated(duck, input, `${key}.id`, source.id, idOf(source.id), `the id of ${aOrAn(singular)}`);
  }
  if (counts.distinct_count !== counts.row_count) {
    const twice = one(await duck.scriptRows('inputs/duplicate', { identifiers: names }));
    throw inputError(
      `${key}: the id "${twice.id}" occurs ${twice.times} times in column "${source.id}" of ${describeFiles(input)}; each ${singular} must have one row`,
      'Remove the duplicates, or name the column that identifies a row.',
    );
  }
  const count = Number(counts.row_count);
  const given = one(await duck.scriptRows('inputs/values', { identifiers: { table } }));
  const columnsFound = Object.entries(source.columns).map(([name, column]) => {
    return [column, { type: input.columns.get(column) as string, empty: count - Number(given[name]) }];
  });
  const schema = { ...Object.fromEntries(columnsFound), [source.id]: { type: keyType, empty: 0 } };
  return { count, keyType, columns: schema, files: describeFiles(input) };
}

async function openRatings(
  duck: Duck,
  { source, input, userType, time }: FoundRatings,
  usersGiven: boolean,
): Promise<{
  ratingCount: number;
  warnings: string[];
  userType: string;
  columns: Record<string, InputColumn>;
  files: string;
}> {
  const { key } = input;
  const value = `number_of(${quoteIdentifier(source.value)})`;
  await createView(duck, 'ratings_source', input, [
    { name: 'source user', expression: quoteIdentifier(source.user) },
    { name: 'source item', expression: quoteIdentifier(source.item) },
    { name: 'rating', expression: value },
    { name: 'rated_at', expression: time },
    { name: 'time given', expression: `${quoteIdentifier(source.time)} is not null` },
  ]);
  const counts = one(await reading(input, () => duck.scriptRows('inputs/ratings')));
  const total = Number(counts.row_count);
  if (total === 0) throw emptyError(key, describeFiles(input));
  const checks = [
    { bad: 'null_users', what: 'the id of a user', at: 'user', expression: idOf(source.user) },
    { bad: 'null_items', what: 'the id of an item', at: 'item', expression: idOf(source.item) },
    { bad: 'bad_ratings', what: 'a number', at: 'value', expression: value },
    {
      bad: 'bad_times',
      what: 'a time (ISO 8601 or seconds since 1970)',
      at: 'time',
      expression: orNoTime(source.time, time),
    },
  ] as const;
  for (const { bad, what, at, expression } of checks) {
    if (counts[bad] !== 0) await throwLocated(duck, input, `${key}.${at}`, source[at], expression, what);
  }
  const warnings = await keepKnownRatings(duck, input, total, usersGiven);
  const ratingCount = Number(one(await duck.rows('select count(*)::integer as n from ratings')).n);
  const found = (column: string, empty = 0) => ({ type: input.columns.get(column) as string, empty });
  const { user, item, value: rated, time: at } = source;
  return {
    ratingCount,
    warnings,
    userType: input.format === 'csv' ? 'csv' : plainType(userType),
    columns: {
      [user]: found(user),
      [item]: found(item),
      [rated]: found(rated),
      [at]: found(at, Number(counts.missing_times)),
    },
    files: describeFiles(input),
  };
}

/** Leaves out ratings of unknown items and users and repeated ones. Returns the warnings. */
async function keepKnownRatings(
  duck: Duck,
  input: InputFiles,
  total: number,
  usersGiven: boolean,
): Promise<string[]> {
  const warnings: string[] = [];
  let before = total;
  const steps = [{ script: 'inputs/known-ratings', of: 'items' }];
  if (usersGiven) steps.push({ script: 'inputs/ratings-of-known-users', of: 'users' });
  for (const { script, of } of steps) {
    const row = one(await duck.scriptRows(script));
    const known = Number(row.known_count);
    const unknown = `${before - known} of ${before} ratings in ${describeFiles(input)} are of ${of} that inputs.${of} does not have, such as "${row.unknown_example}"`;
    if (before - known > before / 2) {
      throw inputError(
        unknown,
        `Check that ${input.key} and inputs.${of} use the same ids and belong together.`,
      );
    }
    if (known < before) warnings.push(`${unknown}; they were left out`);
    before = known;
  }
  await duck.run('drop table ratings_read');
  const repeated = Number(one(await duck.scriptRows('inputs/repeated-ratings')).repeated);
  if (repeated > 0) {
    await duck.script('inputs/latest-ratings');
    warnings.push(
      `${repeated} of ${before} ratings in ${describeFiles(input)} repeat a user and an item; the latest of each counts`,
    );
  }
  return warnings;
}

async function usersOfRatings(duck: Duck, userType: string): Promise<{ count: number; keyType: string }> {
  await duck.script('inputs/users-of-ratings');
  const keyType = userType === 'csv' ? await csvKeyType(duck, 'users_source') : userType;
  await duck.script('inputs/user-keys', { identifiers: { key_type: keyType } });
  return { count: Number(one(await duck.rows('select count(*)::integer as n from users')).n), keyType };
}

/** Finds the first row that `expression` does not understand, and says what was expected there. */
async function throwLocated(
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

// A missing time is allowed: such a rating counts as the earliest.
function orNoTime(column: string, time: string): string {
  return `case when ${quoteIdentifier(column)} is null then true when ${time} is not null then true end`;
}

function idOf(column: string): string {
  return `nullif(cast(${quoteIdentifier(column)} as varchar), '')`;
}

async function csvKeyType(duck: Duck, source: string): Promise<string> {
  return String(one(await duck.scriptRows('inputs/key-type', { identifiers: { source } })).key_type);
}

function plainType(type: string): string {
  return type.startsWith('ENUM') ? 'VARCHAR' : type;
}

function aOrAn(noun: string): string {
  return `${noun === 'item' ? 'an' : 'a'} ${noun}`;
}

function one(rows: Record<string, unknown>[]): Record<string, unknown> {
  const row = rows[0];
  if (row === undefined) throw new Error('the query returned no row');
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );
}
