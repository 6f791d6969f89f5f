import { statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listValue } from 'duckdb';
import { inputError, messageOf } from '../errors.js';
import { Duck, listOfFiles } from '../lake/duck.js';
import { findInput } from '../lake/input-files.js';
import { readManifest } from '../lake/manifest.js';
import { poolFields } from '../pool/file.js';

/** Files that belong together: a table's partition, or a file that stands alone. */
export interface Dataset {
  /** Absolute path: of the table's folder, or of the file. */
  name: string;
  uri: string;
  partition: string | undefined;
  /** Undefined for a folder. */
  bytes: number | undefined;
  /** Of Parquet files, and of pools the texts that they were made of; CSV files aren't read to count theirs. */
  rows: number | undefined;
  /** Columns of Parquet, CSV and pool files, in DuckDB's types. */
  fields: Field[] | undefined;
}

interface Field {
  name: string;
  type: string;
}

const partitionFolder = /^partition=(.+)$/;
const isCsv = /\.(csv|tsv)(\.gz)?$/i;
const isParquet = /\.(parquet|pq)$/i;

/**
 * The data sets that these files are. Files in `<table>/partition=<P>/` are one.
 * @throws inputError where a Parquet file, the header of a CSV file or a manifest can't be read
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
      const { partition } = group;
      const content = await contentOf(duck, group.files);
      found.push({ name, uri: pathToFileURL(name).href, partition, bytes: sizeOf(group.files), ...content });
    }
    return found;
  } finally {
    duck.close();
  }
}

function sizeOf(files: readonly string[]): number | undefined {
  const stats = files.map((file) => statSync(file, { throwIfNoEntry: false }));
  if (stats.some((one) => one?.isDirectory())) return undefined;
  return stats.reduce((sum, one) => sum + (one?.size ?? 0), 0);
}

/** Read as the stages read them. */
async function contentOf(duck: Duck, files: readonly string[]): Promise<Pick<Dataset, 'rows' | 'fields'>> {
  const [first = ''] = files;
  if (isCsv.test(first)) return { rows: undefined, fields: await csvFields(duck, files) };
  if (extname(first) === '.arrow') return { rows: await textsOf(dirname(first)), fields: poolFields };
  if (!isParquet.test(first)) return { rows: undefined, fields: undefined };
  try {
    const params = { files: listValue([...files]) };
    const columns = await duck.scriptRows('lake/columns', { params, types: listOfFiles });
    const [counted] = await duck.scriptRows('lake/parquet-rows', { params, types: listOfFiles });
    const fields = columns.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
    return { rows: Number(counted?.rows), fields };
  } catch (error) {
    throw inputError(`${files.join(', ')} can't be read: ${messageOf(error)}`, undefined, error);
  }
}

async function csvFields(duck: Duck, files: readonly string[]): Promise<Field[]> {
  const { columns } = await findInput(duck, 'inputs', files);
  return [...columns].map(([name, type]) => ({ name, type }));
}

async function textsOf(dir: string): Promise<number | undefined> {
  const texts = (await readManifest(dir))?.texts;
  return typeof texts === 'number' ? texts : undefined;
}
