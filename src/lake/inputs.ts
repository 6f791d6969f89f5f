import { inputError } from '../errors.js';
import type { Duck } from './duck.js';
import { createView, describeFiles, emptyError, reading } from './input-files.js';
import { openRatings } from './input-ratings.js';
import { csvKeyType, idOf, one, plainType, throwLocated } from './input-rows.js';
import type { InputColumn, InputSchema } from './input-schema.js';
import { type FoundEntities, findSources, type Sources } from './input-sources.js';

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
 *   one for each user and item (the latest; of equally late ones the highest). A view of numbers:
 * - `user_numbers(user_number INTEGER from 0, user_id)` and `item_numbers(item_number, item_id)`, in the order of the ids
 * - `numbered_ratings(user_number, item_number, rating, rated_at)`
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
  const { user } = sources.ratings;
  const columns = { ...ratings.columns };
  if (given === undefined) columns[user] = { type: ratings.keyType, empty: 0 };
  return {
    warnings,
    itemCount: items.count,
    userCount: ratings.userCount,
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

function aOrAn(noun: string): string {
  return `${noun === 'item' ? 'an' : 'a'} ${noun}`;
}
