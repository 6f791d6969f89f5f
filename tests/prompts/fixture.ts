import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Config, configSchema } from '../../src/config/schema.js';
import { Duck } from '../../src/lake/duck.js';
import { Lake } from '../../src/lake/lake.js';
import { packageRoot } from '../../src/paths.js';
import { silentProgress } from '../../src/report/progress.js';
import type { StageContext } from '../../src/stage.js';

/** Runs `body` with a fresh folder, which is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-test-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes `files` (name -> content) into the folder, folders in between too. */
export function writeFiles(folder: string, files: Record<string, string | Uint8Array>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

const model = { path: join(packageRoot, 'data-samples/model') };
const cohorts = { items: { columns: ['genre'] } };

/** The context of a stage with a lake in `folder`, partition `p`, and the sample's model. */
export function contextIn(
  folder: string,
  settings: { inputs: unknown; prompts?: unknown; publish?: unknown },
  signal = new AbortController().signal,
): StageContext {
  const root = join(folder, 'lake');
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const config: Config = configSchema.parse({ lake: root, partition: 'p', model, cohorts, ...given });
  const silent = () => undefined;
  return {
    config,
    lake: new Lake(root),
    partition: 'p',
    signal,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    progress: silentProgress,
  };
}

/** The sample catalogue's inputs, as in data-samples/dare.yaml. */
export const sampleInputs = {
  items: {
    path: join(packageRoot, 'data-samples/movies.csv'),
    id: 'movie_id',
    columns: {
      title: 'title',
      year: 'year',
      genre: 'genre',
      director: 'director',
      source: 'source',
      type: 'creative_type',
      rated: 'mpaa_rating',
    },
  },
  ratings: {
    path: join(packageRoot, 'data-samples/ratings.csv.gz'),
    user: 'user_id',
    item: 'movie_id',
    value: 'rating',
    time: 'rated_at',
  },
};

/** Rows of one query, in a session of its own. */
export async function query(
  sql: string,
  params: Record<string, string> = {},
): Promise<Record<string, unknown>[]> {
  const duck = await Duck.open({ threads: 1 });
  try {
    return await duck.rows(sql, params);
  } finally {
    duck.close();
  }
}

/** Rows of a Parquet file, in its order, without the column that DuckDB makes of a folder named partition=. */
export function readTable(path: string): Promise<Record<string, unknown>[]> {
  return query('SELECT * FROM read_parquet($path, hive_partitioning = false)', { path });
}

/** Names and types of a Parquet file's columns. */
export async function schemaOf(path: string): Promise<Record<string, string>> {
  const rows = await query('DESCRIBE SELECT * FROM read_parquet($path, hive_partitioning = false)', { path });
  return Object.fromEntries(rows.map((row) => [row.column_name, row.column_type]));
}

/** Writes rows as a Parquet file with these columns (name -> SQL type); missing values are null. */
export async function writeTable(
  path: string,
  columns: Record<string, string>,
  rows: readonly Record<string, unknown>[],
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const json = `${path}.json`;
  writeFileSync(json, rows.map((row) => JSON.stringify(row)).join('\n'));
  const spec = Object.entries(columns).map(([name, type]) => `"${name}": '${type}'`);
  const source =
    rows.length === 0
      ? `SELECT ${Object.entries(columns).map(([name, type]) => `NULL::${type} AS "${name}"`)} LIMIT 0`
      : `SELECT * FROM read_json($json, format = 'newline_delimited', columns = {${spec}})`;
  const params = rows.length === 0 ? { path } : { json, path };
  await query(`COPY (${source}) TO $path (FORMAT parquet)`, params);
  rmSync(json);
}

export const cohortColumns = {
  entity_type: 'VARCHAR',
  entity_id: 'VARCHAR',
  cohort: 'VARCHAR',
  distance: 'DOUBLE',
};

/** All files below a folder, sorted, relative to it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** What a folder holds: file -> bytes (latin1), for comparing it with itself later. */
export function bytesBelow(folder: string): Map<string, string> {
  return new Map(filesBelow(folder).map((file) => [file, readFileSync(join(folder, file), 'latin1')]));
}

/** Whether a file is kept for the next run until a table is published: no reader's glob matches it. */
export function isKept(file: string): boolean {
  return /(^|\/)_unfinished\/|\.unfinished\//.test(file) && !file.endsWith('.parquet');
}

/** Fails with the names of the files that are new, gone or changed for readers. */
export function assertUntouched(folder: string, before: ReadonlyMap<string, string>): void {
  const after = bytesBelow(folder);
  const files = [...new Set([...before.keys(), ...after.keys()])];
  assert.equal(
    files.filter((file) => !isKept(file) && before.get(file) !== after.get(file)),
    [],
  );
}

/** The error that `body` ends with. */
export async function errorOf(body: () => unknown): Promise<Error & { exitCode?: number; hint?: string }> {
  try {
    await body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error, got none');
}
