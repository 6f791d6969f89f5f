import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { listValue, STRUCT, structValue, VARCHAR } from 'duckdb';
import { type DareError, inputError, messageOf } from '../errors.js';
import { unreadable } from '../unreadable.js';
import { type CsvHeader, type Delimiter, readCsvHeader } from './csv-header.js';
import { type Duck, listOfFiles, quoteIdentifier } from './duck.js';
import { checkGzip } from './gzip.js';
import { otherLineEnd } from './line-ends.js';

/** The files of one input, all of one format, and the columns that they have. */
export interface InputFiles {
  /** The key in the configuration, for messages: `inputs.items`. */
  key: string;
  files: string[];
  format: 'parquet' | 'csv';
  /** Column name in the file -> DuckDB type. CSV columns are all VARCHAR: what a text means is decided by us. */
  columns: Map<string, string>;
  /** Of CSV files. */
  delimiter: Delimiter;
}

/** A column of a view over input files: `name` is ours, `expression` SQL made of quoted identifiers only. */
export interface ViewColumn {
  name: string;
  expression: string;
}

/**
 * Finds the files of `paths` (each a path or a glob), checks that each can be read, and reads their column names.
 * @throws inputError for a missing file, a folder, an empty or truncated file, mixed formats.
 */
export async function findInput(duck: Duck, key: string, paths: readonly string[]): Promise<InputFiles> {
  const files = await inputPaths(duck, key, paths);
  const formats = new Set(files.map((file) => formatOf(key, file)));
  if (formats.size > 1) {
    throw inputError(
      `${key}.path names Parquet and CSV files together: ${files.join(', ')}`,
      'Give files of one format for one input.',
    );
  }
  if (formats.has('csv')) {
    for (const file of files) await checkGzip(key, file);
    return csvInput(key, files);
  }
  const input: InputFiles = { key, files, format: 'parquet', columns: new Map(), delimiter: ',' };
  const described = await reading(input, async () => {
    await useFiles(duck, 'described', input);
    return duck.rows(`describe select * from ${scan('described', input)}`);
  });
  for (const row of described) input.columns.set(String(row.column_name), String(row.column_type));
  return input;
}

/**
 * The files that `paths` (each a path or a glob) name, each once, in order. Their content isn't looked at.
 * @throws inputError for a missing file, a folder, a glob that matches nothing
 */
export async function inputPaths(duck: Duck, key: string, paths: readonly string[]): Promise<string[]> {
  return [...new Set((await Promise.all(paths.map((path) => expand(duck, key, path)))).flat())].sort();
}

function csvInput(key: string, files: string[]): InputFiles {
  const headers = files.map((file) => readCsvHeader(key, file));
  const first = headers[0] as CsvHeader;
  const other = headers.findIndex((header) => JSON.stringify(header) !== JSON.stringify(first));
  if (other !== -1) {
    throw inputError(
      `${key}: the header of ${files[other]} differs from that of ${files[0]}; expected the same columns in the same order: ${quotedList(first.columns)}`,
      'Give CSV files of one form, or Parquet files.',
    );
  }
  const columns = new Map(first.columns.map((name) => [name, 'VARCHAR']));
  return { key, files, format: 'csv', columns, delimiter: first.delimiter };
}

/**
 * The type of a column that the configuration names (`column`, under `key`).
 * @throws inputError that names the columns there are.
 */
export function columnType(input: InputFiles, key: string, column: string): string {
  const type = input.columns.get(column);
  if (type !== undefined) return type;
  throw inputError(
    `${describeFiles(input)} has no column "${column}", which ${key} names; its columns are ${quotedList([...input.columns.keys()])}`,
    `Correct ${key} in the configuration.`,
  );
}

/** Makes the temporary view `view` over `files` (all of the input's, when left out). `view` is a constant of ours. */
export async function createView(
  duck: Duck,
  view: string,
  input: InputFiles,
  columns: readonly ViewColumn[],
  files: string[] = input.files,
): Promise<void> {
  await useFiles(duck, view, { ...input, files });
  const list = columns.map(({ name, expression }) => `${expression} as ${quoteIdentifier(name)}`).join(', ');
  await reading(input, () =>
    duck.run(`create or replace temp view ${view} as select ${list} from ${scan(view, input)}`),
  );
}

/** Runs something that reads the input's files and says in our words what DuckDB found wrong with them. */
export async function reading<T>(input: InputFiles, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw await readFailure(input, error);
  }
}

/** `ratings.csv`, or `ratings-1.csv and 3 other files`. */
export function describeFiles(input: InputFiles): string {
  const [first, ...others] = input.files;
  if (others.length === 0) return first as string;
  return `${first} and ${others.length} other ${others.length === 1 ? 'file' : 'files'}`;
}

// A view can't hold bound parameters, so paths and columns travel in variables that the view reads at each use.
async function useFiles(duck: Duck, view: string, input: InputFiles): Promise<void> {
  const files = listValue([...input.files]);
  await duck.run(`set variable ${view}_files = $files`, { files }, listOfFiles);
  if (input.format === 'parquet') return;
  const columns = Object.fromEntries(input.columns);
  const types = STRUCT(Object.fromEntries([...input.columns.keys()].map((name) => [name, VARCHAR])));
  await duck.run(
    `set variable ${view}_columns = $columns`,
    { columns: structValue(columns) },
    { columns: types },
  );
}

// CSV: everything is given, nothing guessed. DuckDB's guess from the first rows skips lines that don't fit.
function scan(view: string, { format, delimiter }: InputFiles): string {
  const files = `getvariable('${view}_files')`;
  if (format === 'parquet') return `read_parquet(${files}, union_by_name=true, hive_partitioning=false)`;
  const columns = `auto_detect=false, columns=getvariable('${view}_columns'), header=true, hive_partitioning=false`;
  return `read_csv(${files}, ${columns}, delim='${delimiter}', quote='"', escape='"')`;
}

function quotedList(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

async function expand(duck: Duck, key: string, path: string): Promise<string[]> {
  const stat = statOf(key, path);
  if (stat?.isDirectory()) {
    throw inputError(
      `${key}.path is a folder, not a file: ${path}`,
      `Name its files, for example ${path}/*.parquet.`,
    );
  }
  if (stat !== undefined) return [path];
  const isGlob = /[*?[\]]/.test(path);
  if (isGlob) {
    const rows = await duck.rows('select file from glob($path) order by file', { path });
    if (rows.length > 0) return rows.map((row) => String(row.file));
  }
  const what = isGlob ? 'no file matches' : 'the file was not found:';
  throw inputError(
    `${key}.path: ${what} ${path}`,
    'Relative paths are relative to the folder of the configuration file.',
  );
}

function statOf(key: string, path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(error, `${key}.path: ${path}`, `Check ${key}.path.`);
  }
}

/** Format by content: Parquet begins and ends with the bytes PAR1. Reads 8 bytes a file. */
function formatOf(key: string, path: string): InputFiles['format'] {
  const { head, tail, size } = ends(key, path);
  if (size === 0) throw emptyError(key, path);
  if (head !== 'PAR1') {
    if (!/\.(parquet|pq)$/i.test(path)) return 'csv';
    throw inputError(`${key}: ${path} is not a Parquet file`, 'Write it again, or name a CSV file .csv.');
  }
  if (tail !== 'PAR1' || size < 12) {
    throw inputError(
      `${key}: ${path} is a truncated Parquet file (its end is missing)`,
      'Write or copy it again.',
    );
  }
  return 'parquet';
}

function ends(key: string, path: string): { head: string; tail: string; size: number } {
  try {
    const file = openSync(path, 'r');
    try {
      const size = fstatSync(file).size;
      const at = (position: number) => {
        const bytes = Buffer.alloc(4);
        return bytes.toString('latin1', 0, readSync(file, bytes, 0, 4, position));
      };
      return { head: at(0), tail: at(Math.max(0, size - 4)), size };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unreadable(error, `${key}: ${path}`, `Check ${key}.path.`);
  }
}

/** What is said of an input without rows. */
export function emptyError(key: string, path: string): DareError {
  return inputError(`${key}: ${path} is empty, at least one row was expected`, `Check ${key}.path.`);
}

async function readFailure(input: InputFiles, error: unknown): Promise<unknown> {
  if (error instanceof Error && error.name === 'DareError') return error;
  const message = messageOf(error);
  if (/interrupt/i.test(message)) return error;
  const named = input.files.find((file) => message.includes(file));
  const file = named ?? describeFiles(input);
  const line = /line:? (\d+)/i.exec(message)?.[1];
  const place = line === undefined ? file : `${file}, line ${line}`;
  if (/utf-?8|unicode|invalid string encoding/i.test(message)) {
    return inputError(
      `${input.key}: ${place} holds text that is not UTF-8`,
      'Convert the file to UTF-8.',
      error,
    );
  }
  if (input.format === 'csv' && /invalid state/.test(message)) {
    const mixed = await mixedLineEnds(input, error);
    if (mixed !== undefined) return mixed;
  }
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  const reason =
    counts !== null
      ? `the line has ${counts[2]} fields, the header ${counts[1]}`
      : /unterminated quote/.test(message)
        ? 'a quote is never closed, or text follows a closing quote'
        : /invalid state/.test(message)
          ? 'it is not RFC 4180'
          : message.split('\n')[0];
  if (input.format === 'csv') {
    return inputError(
      `${input.key}: ${place} could not be read as CSV: ${reason}`,
      'Correct that line.',
      error,
    );
  }
  return inputError(
    `${input.key}: ${place} could not be read as Parquet: ${reason}`,
    'Write the file again.',
    error,
  );
}

/** DuckDB says neither where nor that it is the line ends. */
async function mixedLineEnds({ key, files }: InputFiles, cause: unknown): Promise<DareError | undefined> {
  for (const file of files) {
    const other = await otherLineEnd(file);
    if (other === undefined) continue;
    const { line, end, header } = other;
    return inputError(
      `${key}: ${file}, line ${line} could not be read as CSV: it ends in ${end}, the header in ${header}`,
      'Give all lines of the file one end, LF or CR LF: dos2unix makes all LF.',
      cause,
    );
  }
  return undefined;
}
