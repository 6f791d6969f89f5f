import { statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listValue } from 'duckdb';
import { inputError, messageOf } from '../errors.js';
import { Duck, listOfFiles } from '../lake/duck.js';

/** Files that belong together: a table's partition, or a file that stands alone. */
export interface Dataset {
  /** Absolute path: of the table's folder, or of the file. */
  name: string;
  uri: string;
  partition: string | undefined;
  bytes: number;
  /** Columns of Parquet files, in DuckDB's types. */
  fields: { name: string; type: string }[] | undefined;
}

const partitionFolder = /^partition=(.+)$/;

/**
 * The data sets that these files are. Files in `<table>/partition=<P>/` are one.
 * @throws inputError where a Parquet file can't be read
 */
export async function datasetsOf(files: readonly string[]): Promise<Dataset[]> {
  const groups = new Map<string, { partition: string | undefined; files: string[] }>();
  for (const path of files) {
    const file = resolve(path);
    const partition = partitionFolder.exec(basename(dirname(file)))?.[1];
    const name = partition === undefined ? file : join(dirname(file), '..');
    const key = `${name}\0${partition ?? ''}`;
    const group = groups.get(key) ?? { partition, files: [] };
    group.files.push(file);
    groups.set(key, group);
  }
  const duck = await Duck.open({ threads: 1 });
  try {
    const found: Dataset[] = [];
    for (const [key, group] of groups) {
      const name = key.slice(0, key.indexOf('\0'));
      const bytes = group.files.reduce((sum, file) => sum + sizeOf(file), 0);
      const fields = await columnsOf(duck, group.files);
      found.push({ name, uri: pathToFileURL(name).href, partition: group.partition, bytes, fields });
    }
    return found;
  } finally {
    duck.close();
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function columnsOf(duck: Duck, files: readonly string[]): Promise<Dataset['fields']> {
  const tables = files.filter((file) => extname(file) === '.parquet');
  if (tables.length === 0) return undefined;
  try {
    const params = { files: listValue([...tables]) };
    const rows = await duck.scriptRows('lake/columns', { params, types: listOfFiles });
    return rows.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
  } catch (error) {
    throw inputError(`${tables.join(', ')} can't be read: ${messageOf(error)}`, undefined, error);
  }
}
