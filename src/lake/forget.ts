/** Rows of users and items that are to be forgotten, taken out of every file that holds some. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LIST, listValue, VARCHAR } from 'duckdb';
import type { Logger } from '../stage.js';
import type { Duck } from './duck.js';
import { isUnchanged } from './fingerprint.js';
import { earlierFile } from './generations.js';
import { type RunKey, readRunKey } from './kept-journal.js';
import { KeptRows } from './kept-rows.js';
import { discard, type Lake, listFolder, replaceFile, type TableName, temporaryBeside } from './lake.js';
import { type Manifest, publishTable, readManifest } from './manifest.js';
import { tableOf } from './origin.js';
import { firstRoundFile, firstRoundFolder, listShards, readShard, shardFile } from './shards.js';

export interface Whom {
  users: readonly string[];
  items: readonly string[];
}

/** Old fingerprints of tables and versions of pools -> what they are now. */
export type Renewed = ReadonlyMap<string, string>;

const failure = 'the rows could not be removed';

/** Makes `is_forgotten` known to a session. */
export async function lookFor(duck: Duck, { users, items }: Whom): Promise<void> {
  await duck.script('forget/whom', {
    params: { users: listValue([...users]), items: listValue([...items]) },
    types: { users: LIST(VARCHAR), items: LIST(VARCHAR) },
  });
}

/** Those of whom no table has a row. @param files tables with `entity_type` and `entity_id` */
export async function notFoundIn(
  duck: Duck,
  files: readonly string[],
  { users, items }: Whom,
): Promise<Whom> {
  const rows =
    files.length === 0
      ? []
      : await duck.scriptRows('forget/known', {
          params: { files: listValue([...files]) },
          types: { files: LIST(VARCHAR) },
        });
  const known = new Set(rows.map((row) => `${row.entity_type}\0${row.entity_id}`));
  const lacking = (type: string, ids: readonly string[]) =>
    [...new Set(ids)].filter((id) => !known.has(`${type}\0${id}`));
  return { users: lacking('user', users), items: lacking('item', items) };
}

/** What became of a table. */
export interface Rewritten {
  rows: number;
  /** Fingerprints before and after, where the manifest described the file. */
  renewed?: readonly [string, string];
}

/**
 * Takes the rows out of a table of the lake. Its manifest goes on describing it, if it did.
 * @param renewed by which the manifest's `run` is brought up to date
 */
export async function forgetTable(
  duck: Duck,
  lake: Lake,
  table: Exclude<TableName, 'pools' | 'evaluation'>,
  partition: string,
  renewed: Renewed,
): Promise<Rewritten> {
  const file = lake.file(table, partition);
  const script = table === 'cohorts' || table === 'prompts' ? 'rows' : table;
  return await forgetFile(duck, file, lake.dir(table, partition), script, renewed);
}

/** The same for features that are kept for a rollback. */
export async function forgetEarlier(duck: Duck, lake: Lake, partition: string): Promise<Rewritten> {
  const file = earlierFile({ lake, table: 'features', partition });
  return await forgetFile(duck, file, dirname(file), 'features', new Map());
}

/** Takes the rows out of a finished first round. Its prompts are chosen anew where it is still needed. */
export async function forgetFirstRound(duck: Duck, lake: Lake, partition: string): Promise<number> {
  const unfinished = lake.unfinished('texts', partition);
  const file = firstRoundFile(unfinished);
  for (const name of listFolder(firstRoundFolder(unfinished)))
    if (name !== basename(file)) await discard(join(firstRoundFolder(unfinished), name));
  if (existsSync(file)) return await forgetShard(duck, file, new Map());
  await discard(firstRoundFolder(unfinished));
  return 0;
}

/**
 * The files of texts that a partition's pools of a first round were made of: those of the round, until they are joined
 * into the table, and then those of the table that were drafted from nothing.
 * @param copy to write these to
 */
export async function firstRoundTexts(
  duck: Duck,
  lake: Lake,
  partition: string,
  copy: string,
): Promise<string[]> {
  const file = firstRoundFile(lake.unfinished('texts', partition));
  if (existsSync(file)) return [file];
  const path = lake.file('texts', partition);
  if (!existsSync(path)) return [];
  await duck.script('forget/first-round', { params: { path, copy } });
  return [copy];
}

/**
 * Takes the rows out of what is kept of tables of texts in the making: finished rows and shards. Both say from which
 * prompts and pools they were decoded, and are brought up to date.
 */
export async function forgetUnfinished(
  duck: Duck,
  lake: Lake,
  partition: string,
  renewed: Renewed,
  log: Logger,
): Promise<number> {
  const folder = lake.unfinished('texts', partition);
  let rows = 0;
  for (const name of listFolder(folder)) {
    if (/^(whole|part-\d+-of-\d+)$/.test(name))
      rows += await forgetKept(duck, join(folder, name), renewed, log);
  }
  for (const shard of listShards(folder)) rows += await forgetShard(duck, shardFile(folder, shard), renewed);
  return rows;
}

async function forgetFile(
  duck: Duck,
  file: string,
  dir: string,
  script: 'rows' | 'texts' | 'features',
  renewed: Renewed,
): Promise<Rewritten> {
  if (!existsSync(file)) return { rows: 0 };
  const rows = await countIn(duck, file);
  if (rows === 0) return { rows };
  const manifest = await readManifest(dir);
  const record = manifest === undefined ? undefined : tableOf(manifest);
  const metadata = script === 'texts' ? await metadataOf(duck, file) : undefined;
  const write = (copy: string) => copyRows(duck, script, file, copy, metadata);
  if (manifest === undefined || record === undefined || !(await isUnchanged(record, file))) {
    await replaceFile(file, failure, write);
    return { rows };
  }
  const described: Manifest = { ...manifest };
  if (typeof manifest.rows === 'number') described.rows = manifest.rows - rows;
  if ('run' in described) described.run = renewedKey(described.run as RunKey, renewed);
  await replaceFile(file, failure, write, (copy) => publishTable(copy, file, described));
  const now = tableOf((await readManifest(dir)) ?? {});
  return { rows, ...(now && { renewed: [record.sha256, now.sha256] as const }) };
}

/** A folder of KeptRows is made anew under another name; killed before it has the old one's, its texts are decoded again. */
async function forgetKept(duck: Duck, folder: string, renewed: Renewed, log: Logger): Promise<number> {
  const run = await readRunKey(folder);
  if (run === undefined) {
    await discard(folder);
    return 0;
  }
  const old = await KeptRows.open(folder, run, log);
  const copy = temporaryBeside(folder);
  try {
    let removed = 0;
    for (const part of old.parts) removed += await countIn(duck, part);
    const next = await KeptRows.open(copy, renewedKey(run, renewed), log);
    try {
      for (const part of old.parts) await next.addPart((file) => copyRows(duck, 'rows', part, file));
      await next.close();
    } finally {
      await next.abort();
    }
    await old.abort();
    rmSync(folder, { recursive: true, force: true });
    if (existsSync(copy)) renameSync(copy, folder);
    return removed;
  } finally {
    await old.abort();
    await discard(copy);
  }
}

async function forgetShard(duck: Duck, file: string, renewed: Renewed): Promise<number> {
  const rows = await countIn(duck, file);
  const { metadata, run } = await readShard(file);
  const key = renewedKey(run, renewed);
  if (rows === 0 && JSON.stringify(key) === JSON.stringify(run)) return 0;
  const counts = metadata.counts as Record<string, number>;
  const said = {
    ...renewedOrigin(metadata, renewed),
    counts: { ...counts, rows: Number(counts.rows) - rows },
    run: key,
  };
  await replaceFile(file, failure, (copy) => copyRows(duck, 'texts', file, copy, JSON.stringify(said)));
  return rows;
}

function renewedKey(run: RunKey, renewed: Renewed): RunKey {
  return Object.fromEntries(Object.entries(run).map(([name, value]) => [name, renewed.get(value) ?? value]));
}

/** A shard's origin becomes that of the table. */
function renewedOrigin(metadata: Record<string, unknown>, renewed: Renewed): Record<string, unknown> {
  const origin = metadata.origin as { tables?: Record<string, string | null> } | undefined;
  if (origin?.tables === undefined) return metadata;
  const tables = Object.entries(origin.tables).map(([name, sha]) => [name, renewed.get(sha ?? '') ?? sha]);
  return { ...metadata, origin: { ...origin, tables: Object.fromEntries(tables) } };
}

async function countIn(duck: Duck, path: string): Promise<number> {
  const [row] = await duck.scriptRows('forget/count', { params: { path } });
  return row?.rows as number;
}

/** Returns how many rows were copied. */
async function copyRows(
  duck: Duck,
  script: 'rows' | 'texts' | 'features',
  path: string,
  copy: string,
  metadata?: string,
): Promise<number> {
  const params = { path, copy, ...(metadata === undefined ? {} : { metadata }) };
  const [copied] = await duck.scriptRows(`forget/${script}`, { params });
  return Number(copied?.Count);
}

async function metadataOf(duck: Duck, file: string): Promise<string> {
  const [row] = await duck.scriptRows('lake/metadata', { params: { file } });
  return String(row?.value);
}
