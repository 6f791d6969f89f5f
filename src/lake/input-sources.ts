/** Where the inputs are: their files found and their columns checked, before any row is read. */
import { inputError } from '../errors.js';
import { type Duck, quoteIdentifier } from './duck.js';
import { columnType, describeFiles, findInput, type InputFiles, type ViewColumn } from './input-files.js';

/** Where the items or users are: files (paths or globs), the column with the id, our names of columns -> the file's. */
export interface EntitySource {
  path: readonly string[];
  id: string;
  columns: Readonly<Record<string, string>>;
}

/** Where the ratings are, and in which columns. */
export interface RatingsSource {
  path: readonly string[];
  user: string;
  item: string;
  value: string;
  time: string;
}

/** The configuration's `inputs`. */
export interface Sources {
  items: EntitySource;
  users?: EntitySource | undefined;
  ratings: RatingsSource;
}

/** Items or users: `columns` are those of the view that reads them. */
export interface FoundEntities {
  source: EntitySource;
  input: InputFiles;
  /** DuckDB's type of the id. */
  idType: string;
  columns: ViewColumn[];
}

export interface FoundRatings {
  source: RatingsSource;
  input: InputFiles;
  /** DuckDB's type of the user's id. */
  userType: string;
  /** SQL for the time, NULL where it can't be understood. */
  time: string;
}

export interface FoundSources {
  items: FoundEntities;
  users: FoundEntities | undefined;
  ratings: FoundRatings;
}

const idTypes = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|VARCHAR|UUID|ENUM.*)$/;
const numberTypes = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*|VARCHAR)$/;

/**
 * Finds the files of all inputs and checks that they have the columns that the configuration names, of types that can be
 * used. Reads headers only: it takes no longer for large files.
 * @throws inputError for missing files and columns, and wrong types
 */
export async function findSources(duck: Duck, { items, users, ratings }: Sources): Promise<FoundSources> {
  return {
    items: await findEntities(duck, 'items', items),
    users: users && (await findEntities(duck, 'users', users)),
    ratings: await findRatings(duck, ratings),
  };
}

async function findEntities(
  duck: Duck,
  table: 'items' | 'users',
  source: EntitySource,
): Promise<FoundEntities> {
  const key = `inputs.${table}`;
  const singular = table === 'items' ? 'item' : 'user';
  const input = await findInput(duck, key, source.path);
  const idType = checkType(input, `${key}.id`, source.id, idTypes, 'text or whole numbers');
  const columns = entityColumns(input, key, source, [`${singular}_id`, `${singular}_key`]);
  return { source, input, idType, columns };
}

async function findRatings(duck: Duck, source: RatingsSource): Promise<FoundRatings> {
  const key = 'inputs.ratings';
  const input = await findInput(duck, key, source.path);
  const userType = checkType(input, `${key}.user`, source.user, idTypes, 'text or whole numbers');
  checkType(input, `${key}.item`, source.item, idTypes, 'text or whole numbers');
  checkType(input, `${key}.value`, source.value, numberTypes, 'numbers');
  return { source, input, userType, time: timeOf(input, `${key}.time`, source.time) };
}

function entityColumns(
  input: InputFiles,
  key: string,
  source: EntitySource,
  reserved: readonly string[],
): ViewColumn[] {
  const columns: ViewColumn[] = [{ name: 'source key', expression: quoteIdentifier(source.id) }];
  for (const [name, column] of Object.entries(source.columns)) {
    const where = `${key}.columns.${name}`;
    if (reserved.includes(name)) {
      throw inputError(`${where}: the name ${name} is taken by a column of ours`, 'Choose another name.');
    }
    if (columnType(input, where, column) === 'BLOB')
      throw typeError(input, where, column, 'BLOB', 'text or numbers');
    columns.push({ name, expression: quoteIdentifier(column) });
  }
  return columns;
}

function checkType(
  input: InputFiles,
  key: string,
  column: string,
  allowed: RegExp,
  expected: string,
): string {
  const type = columnType(input, key, column);
  if (!allowed.test(type)) throw typeError(input, key, column, type, expected);
  return type;
}

function typeError(input: InputFiles, key: string, column: string, type: string, expected: string): Error {
  const blob = type === 'BLOB' ? ' (bytes that are not marked as UTF-8 text)' : '';
  return inputError(
    `${key}: column "${column}" of ${describeFiles(input)} has the type ${type}${blob}, expected ${expected}`,
    'Convert the column, or name another one.',
  );
}

/** SQL for a time column, NULL where it can't be understood. */
function timeOf(input: InputFiles, key: string, column: string): string {
  const type = columnType(input, key, column);
  const name = quoteIdentifier(column);
  if (type === 'VARCHAR') return `time_of_text(${name})`;
  if (type === 'TIMESTAMP WITH TIME ZONE') return `timezone('UTC', ${name})`;
  if (type === 'DATE' || type.startsWith('TIMESTAMP')) return `cast(${name} as timestamp)`;
  if (/^U?(SMALLINT|INTEGER|BIGINT)$/.test(type)) return `time_of_number(cast(${name} as bigint))`;
  throw typeError(input, key, column, type, 'times (TIMESTAMP, DATE, ISO 8601 text, or a number since 1970)');
}
