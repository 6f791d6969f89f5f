/** The generation of a table before the published one: kept when it is replaced, and brought back by `dare rollback`. */
import { copyFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inputError, runError } from '../errors.js';
import { fileError } from './file-error.js';
import { fingerprintFile, isUnchanged } from './fingerprint.js';
import {
  allTableNames,
  discard,
  type Lake,
  listFolder,
  makeFolder,
  manifestName,
  removeStale,
  replaceFile,
  type TableName,
  temporaryBeside,
} from './lake.js';
import { type Manifest, publishTable, readManifest } from './manifest.js';
import { type Origin, originOf, tableOf } from './origin.js';
import { syncFile } from './publish.js';

export interface GenerationPlace {
  lake: Lake;
  table: TableName;
  partition: string;
}

/** The kept table's file: not `.parquet`, so that no reader's glob, `**` included, takes it for a table. */
export function earlierFile({ lake, table, partition }: GenerationPlace): string {
  return join(lake.earlier(table, partition), `${table}.earlier`);
}

/** What the table that was rolled back was made from; undefined for a table that was published as usual. */
export function withdrawnOrigin({ rolledBack }: Manifest): Origin | undefined {
  return typeof rolledBack === 'object' && rolledBack !== null ? originOf(rolledBack as Manifest) : undefined;
}

/**
 * Writes a table and publishes it with its manifest, as `replaceTable` does. The published one is kept before
 * (`keep`), unless the new one has the same content; without `keep` the one that was kept earlier is removed.
 * @throws runError where the disk is full, read-only or forbidden; the published table stays then
 */
export async function replaceGeneration(
  place: GenerationPlace & { keep: boolean },
  failure: string,
  manifest: Manifest,
  write: (temporary: string) => Promise<unknown>,
): Promise<void> {
  const final = place.lake.file(place.table, place.partition);
  await replaceFile(final, failure, write, async (temporary) => {
    try {
      if (place.keep) await keepPublished(place, await fingerprintFile(temporary));
      else await discard(place.lake.earlier(place.table, place.partition));
    } catch (error) {
      await discard(temporary);
      throw fileError(error, 'the earlier table could not be kept', final);
    }
    await publishTable(temporary, final, manifest);
  });
}

/** What a rollback exchanged. */
export interface RolledBack {
  /** Manifest of the table that is published now. */
  published: Manifest;
  /** Manifest of the one that was published before, undefined where it wasn't whole; it is kept now. */
  withdrawn: Manifest | undefined;
}

/**
 * Publishes the kept generation again, and keeps the published one in its place. Killed in between it can be run again:
 * the kept generation goes last, when the published table and its manifest are on the disk.
 * @throws inputError where none is kept; runError where it is damaged, or the disk fails
 */
export async function rollBack(place: GenerationPlace): Promise<RolledBack> {
  const { lake, table, partition } = place;
  const folder = lake.earlier(table, partition);
  const source = earlierFile(place);
  const kept = await readManifest(folder);
  const record = kept === undefined ? undefined : tableOf(kept);
  if (kept === undefined || record === undefined) {
    throw inputError(
      `there are no earlier ${table} of the partition ${partition}: ${folder} holds none`,
      'publish keeps the table that it replaces, with publish.keep: 1. Publish other texts instead.',
    );
  }
  if ((await fingerprintFile(source)) !== record.sha256)
    throw runError(`${source} isn't the file that its ${manifestName} describes`, `Remove ${folder}.`);
  const final = lake.file(table, partition);
  const published = await wholeManifest(place);
  if (published !== undefined && tableOf(published)?.sha256 === record.sha256) {
    throw inputError(
      `the kept ${table} of the partition ${partition} are those that are published`,
      'An earlier rollback or publish was interrupted: there is nothing to go back to.',
    );
  }
  const replaced = (await readManifest(lake.dir(table, partition)))?.origin;
  const manifest = replaced === undefined ? kept : { ...kept, rolledBack: { origin: replaced } };
  const next = published === undefined ? undefined : await copyGeneration(place, published);
  const temporary = temporaryBeside(final);
  try {
    link(source, temporary);
  } catch (error) {
    if (next !== undefined) await discard(next);
    throw fileError(error, `the earlier ${table} could not be published`, final);
  }
  await publishTable(temporary, final, manifest);
  if (next !== undefined) await swap(next, folder);
  return { published: kept, withdrawn: published };
}

/** Keeps the published table, if it is whole and of other content than the one that replaces it. */
async function keepPublished(place: GenerationPlace, replacement: string): Promise<void> {
  const manifest = await wholeManifest(place);
  if (manifest === undefined || tableOf(manifest)?.sha256 === replacement) return;
  await swap(await copyGeneration(place, manifest), place.lake.earlier(place.table, place.partition));
}

/** The manifest of the published table, if it describes the file that is there. */
async function wholeManifest({ lake, table, partition }: GenerationPlace): Promise<Manifest | undefined> {
  const manifest = await readManifest(lake.dir(table, partition));
  const record = manifest === undefined ? undefined : tableOf(manifest);
  if (record === undefined) return undefined;
  try {
    return (await isUnchanged(record, lake.file(table, partition))) ? manifest : undefined;
  } catch {
    // the file is gone
    return undefined;
  }
}

/** A folder beside the kept generation with the published one. */
async function copyGeneration(
  place: GenerationPlace,
  { rolledBack: _, ...manifest }: Manifest,
): Promise<string> {
  const { lake, table, partition } = place;
  const folder = lake.earlier(table, partition);
  makeFolder(dirname(folder));
  removeStale(dirname(folder));
  const copy = temporaryBeside(folder);
  try {
    mkdirSync(copy);
    link(lake.file(table, partition), join(copy, `${table}.earlier`));
    writeFileSync(join(copy, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`, { flush: true });
    await syncFile(copy, 'r');
    return copy;
  } catch (error) {
    await discard(copy);
    throw error;
  }
}

/** A folder can't be renamed over one that holds something: for a moment none is kept, and the published one is whole. */
async function swap(copy: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  renameSync(copy, folder);
  await discard(copy);
  await syncFile(dirname(folder), 'r');
}

/** Files of ours are replaced and never changed: a link does for a copy, where the file system has links. */
function link(source: string, copy: string): void {
  try {
    linkSync(source, copy);
  } catch {
    copyFileSync(source, copy);
  }
}

/** Folders of all kept generations. */
export function generationFolders(lake: Lake): string[] {
  return allTableNames.flatMap((table) =>
    listFolder(dirname(lake.earlier(table, 'any')))
      .filter((name) => /^partition=[^/]*$/.test(name) && !/\.tmp-/.test(name))
      .map((name) => lake.earlier(table, name.slice('partition='.length))),
  );
}
