/** Ratings as a table of numbers, and who rated. */
import { inputError } from '../errors.js';
import { type Duck, quoteIdentifier } from './duck.js';
import { createView, describeFiles, emptyError, type InputFiles, reading } from './input-files.js';
import { csvKeyType, idOf, one, orNoTime, plainType, throwLocated } from './input-rows.js';
import type { InputColumn } from './input-schema.js';
import type { FoundRatings } from './input-sources.js';

/** Ratings that are looked through for repeated ones at a time: about a gigabyte. */
const ratingsAtOnce = 16_000_000;

export interface OpenedRatings {
  ratingCount: number;
  userCount: number;
  /** The user's id: as it is in the file, and as it is kept. */
  keyType: string;
  warnings: string[];
  columns: Record<string, InputColumn>;
  files: string;
}

/**
 * Tables `item_numbers`, `user_numbers` and `numbered_ratings` and the view `ratings` (see openInputs). Needs the table
 * `items`, and `users` where there is a file of users; where there is none, `users` is made of those who rated.
 */
export async function openRatings(
  duck: Duck,
  { source, input, userType, time }: FoundRatings,
  usersGiven: boolean,
): Promise<OpenedRatings> {
  const value = `number_of(${quoteIdentifier(source.value)})`;
  await createView(duck, 'ratings_source', input, [
    { name: 'source user', expression: quoteIdentifier(source.user) },
    { name: 'source item', expression: quoteIdentifier(source.item) },
    { name: 'rating', expression: value },
    { name: 'rated_at', expression: time },
    { name: 'time given', expression: `${quoteIdentifier(source.time)} is not null` },
  ]);
  const { key } = input;
  // A CSV file is parsed once; Parquet is quicker to read again than to keep.
  const kept = input.format === 'csv';
  if (kept) await reading(input, () => duck.script('inputs/read-ratings'));
  const identifiers = { source: kept ? 'ratings_read' : 'ratings_source' };
  const scan = (script: string) => reading(input, () => duck.scriptRows(script, { identifiers }));
  const counts = one(await scan('inputs/rating-counts'));
  const total = Number(counts.row_count);
  if (total === 0) throw emptyError(key, describeFiles(input));
  const checks = [
    { bad: 'null_users', what: 'the id of a user', at: 'user', expression: idOf(source.user) },
    { bad: 'null_items', what: 'the id of an item', at: 'item', expression: idOf(source.item) },
    { bad: 'bad_ratings', what: 'a number', at: 'value', expression: value },
    {
      bad: 'bad_times',
      what: 'a time (ISO 8601, YYYYMMDD, or a number since 1970)',
      at: 'time',
      expression: orNoTime(source.time, time),
    },
  ] as const;
  for (const { bad, what, at, expression } of checks) {
    if (counts[bad] !== 0) await throwLocated(duck, input, `${key}.${at}`, source[at], expression, what);
  }
  await scan('inputs/rated');
  const type = input.format === 'csv' ? 'csv' : plainType(userType);
  const keyType = usersGiven ? type : await usersOfRatings(duck, type);
  const known = Number(one(await scan('inputs/numbered-ratings')).known_count);
  const warnings =
    known < total ? unknownRatings(one(await scan('inputs/unknown-ratings')), input, total, known) : [];
  if (kept) await duck.run('drop table ratings_read');
  const repeated = await keepLatest(duck);
  if (repeated > 0) {
    warnings.push(
      `${repeated} of ${known} ratings in ${describeFiles(input)} repeat a user and an item; the latest of each counts`,
    );
  }
  const numbers = one(
    await duck.rows(
      'select (select count(*) from numbered_ratings) as ratings, (select count(*) from users) as users',
    ),
  );
  const found = (column: string, empty = 0) => ({ type: input.columns.get(column) as string, empty });
  const { user, item, value: rated, time: at } = source;
  return {
    ratingCount: Number(numbers.ratings),
    userCount: Number(numbers.users),
    keyType,
    warnings,
    columns: {
      [user]: found(user),
      [item]: found(item),
      [rated]: found(rated),
      [at]: found(at, Number(counts.missing_times)),
    },
    files: describeFiles(input),
  };
}

/**
 * The warnings about ratings that were left out.
 * @throws inputError where they are more than half of all
 */
function unknownRatings(
  row: Record<string, unknown>,
  input: InputFiles,
  total: number,
  known: number,
): string[] {
  const ofItems = Number(row.item_count);
  const warnings: string[] = [];
  for (const { of, before, after, example } of [
    { of: 'items', before: total, after: ofItems, example: row.unknown_item },
    { of: 'users', before: ofItems, after: known, example: row.unknown_user },
  ]) {
    const unknown = `${before - after} of ${before} ratings in ${describeFiles(input)} are of ${of} that inputs.${of} does not have, such as "${example}"`;
    if (before - after > before / 2) {
      throw inputError(
        unknown,
        `Check that ${input.key} and inputs.${of} use the same ids and belong together.`,
      );
    }
    if (after < before) warnings.push(`${unknown}; they were left out`);
  }
  return warnings;
}

/** Leaves out repeated ratings, and returns how many they were. Some of the users at a time, so that memory suffices. */
async function keepLatest(duck: Duck): Promise<number> {
  await duck.script('inputs/no-repeated-ratings');
  const { users, ratings } = one(
    await duck.rows(
      'select (select count(*) from user_numbers) as users, (select count(*) from numbered_ratings) as ratings',
    ),
  );
  const step = Math.ceil(Number(users) / Math.ceil(Number(ratings) / ratingsAtOnce));
  for (let first = 0; first < Number(users); first += step) {
    await duck.script('inputs/repeated-ratings', { params: { first, last: first + step } });
  }
  const row = one(
    await duck.rows('select coalesce(sum(times - 1), 0)::bigint as repeated from repeated_ratings'),
  );
  const repeated = Number(row.repeated);
  if (repeated > 0) await duck.script('inputs/latest-ratings');
  return repeated;
}

async function usersOfRatings(duck: Duck, userType: string): Promise<string> {
  await duck.script('inputs/users-of-ratings');
  const keyType = userType === 'csv' ? await csvKeyType(duck, 'users_source') : userType;
  await duck.script('inputs/user-keys', { identifiers: { key_type: keyType } });
  return keyType;
}
