import { createHash } from 'node:crypto';
import { copyFileSync, linkSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { fingerprintFile } from '../lake/fingerprint.js';
import { discard, listFolder, makeFolder, publishFile, replaceFile } from '../lake/lake.js';
import { type Manifest, readManifest, writeManifest } from '../lake/manifest.js';
import { type BuiltPool, byName, type PoolKey, type PoolOwner, poolKey } from './builder.js';
import { openPool, type PoolMetadata, readPoolFile } from './file.js';
import type { Pool } from './trie.js';

/** Pools ready to be handed to the engine's thread. */
export interface PoolSet {
  bytes: Map<PoolKey, SharedArrayBuffer>;
  /** Changes when any of the pools does; null for no pools at all. */
  version: string | null;
}

export const noPools: PoolSet = { bytes: new Map(), version: null };

const entrySchema = z.looseObject({
  file: z.string().regex(/^[^/\\]+\.arrow$/),
  sha256: z.string(),
  /** Bytes. */
  size: z.number(),
  /** Of the texts that the pool was made of; none for pools that no later build may take over. */
  fingerprint: z.string().optional(),
  tokenizer: z.string(),
  entityType: z.string().nullable(),
  cohort: z.string().nullable(),
  documents: z.number(),
  tokens: z.number(),
  version: z.string(),
});
const listSchema = z.looseObject({
  /** Of all that decides pools beside the texts: pools of equal keys and fingerprints are equal. */
  key: z.string().optional(),
  version: z.string().nullable(),
  pools: z.array(entrySchema),
});

/** What the manifest says of a pool. */
export type PoolEntry = z.output<typeof entrySchema>;
export type PoolList = z.output<typeof listSchema>;

/** A pool that was built before, in this folder or another. */
export interface EarlierPool {
  dir: string;
  entry: PoolEntry;
}

/** `fingerprint`: of the texts, for later builds. */
export type PoolToWrite = (BuiltPool & { fingerprint?: string }) | EarlierPool;

export interface WrittenPools {
  files: string[];
  entries: PoolEntry[];
  version: string | null;
}

/** The version of a set of pools. */
export function setVersion(
  pools: readonly Pick<PoolMetadata, 'entityType' | 'cohort' | 'version'>[],
): string | null {
  if (pools.length === 0) return null;
  const lines = pools.map(({ entityType, cohort, version }) => JSON.stringify([entityType, cohort, version]));
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
}

/**
 * Writes pools into a folder: every file under a name that its content decides, then the manifest that lists them.
 * Readers go by the manifest, so they see the old set or the new one; files of the old one are removed last. Earlier
 * pools are linked, or copied where the file system has no links; a file that is there already isn't touched.
 * @throws what `pools` throws; the folder then holds what it held before
 */
export async function writePools(
  dir: string,
  pools: Iterable<PoolToWrite> | AsyncIterable<PoolToWrite>,
  manifest: Manifest,
): Promise<WrittenPools> {
  makeFolder(dir);
  const before = listFolder(dir);
  const entries: PoolEntry[] = [];
  try {
    for await (const pool of pools) {
      const entry = 'entry' in pool ? pool.entry : entryOf(pool);
      entries.push(entry);
      if ('entry' in pool) await takeOver(pool, dir);
      else await writePool(pool, join(dir, entry.file));
    }
    entries.sort(byName);
    await writeManifest(dir, { ...manifest, version: setVersion(entries), pools: entries });
  } catch (error) {
    // no manifest lists them
    for (const { file } of entries) if (!before.includes(file)) await discard(join(dir, file));
    throw error;
  }
  const names = new Set(entries.map(({ file }) => file));
  for (const old of before) {
    if (old.endsWith('.arrow') && !names.has(old)) rmSync(join(dir, old), { force: true });
  }
  return { files: entries.map(({ file }) => join(dir, file)), entries, version: setVersion(entries) };
}

/** The manifest of a folder of pools. @throws inputError where there is none, or one of something else */
export async function readPoolList(dir: string): Promise<PoolList> {
  const manifest = await readManifest(dir);
  if (manifest === undefined) {
    throw inputError(`${dir} holds no pools: its manifest is missing`, 'Build them with dare pools.');
  }
  const list = listSchema.safeParse(manifest);
  if (!list.success)
    throw inputError(`The manifest in ${dir} lists no pools`, 'Build them again with dare pools.');
  return list.data;
}

/** Whether a folder has pools to draft from: one of no texts lists none. */
export async function hasPools(dir: string): Promise<boolean> {
  return (listSchema.safeParse(await readManifest(dir)).data?.pools.length ?? 0) > 0;
}

/** The pools of a folder that a build with this key may take over. None where there are no pools, or of another key. */
export async function earlierPools(dir: string, key: string): Promise<EarlierPool[]> {
  const list = listSchema.safeParse(await readManifest(dir));
  if (!list.success || list.data.key !== key) return [];
  return list.data.pools.map((entry) => ({ dir, entry }));
}

/** Whether the file of a pool is there as it was written. */
export async function isWhole({ dir, entry: { file, size, sha256 } }: EarlierPool): Promise<boolean> {
  const path = join(dir, file);
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && stats.size === size && (await fingerprintFile(path)) === sha256;
}

/** An earlier pool that is whole. */
export function openEarlier({ dir, entry: { file } }: EarlierPool): Pool {
  return openFile(join(dir, file));
}

/**
 * Loads the pools of a folder for a tokenizer.
 * @param verify whether every byte is compared with the manifest's checksum, which takes about a second a gigabyte; else
 * sizes, order and ranges alone are looked at
 * @throws inputError when the folder has no manifest, a file is broken, or a pool belongs to another tokenizer
 */
export async function loadPools(dir: string, tokenizer: string, verify: boolean): Promise<PoolSet> {
  const bytes = new Map<PoolKey, SharedArrayBuffer>();
  const metadata: PoolMetadata[] = [];
  for (const { file, version, sha256: written } of (await readPoolList(dir)).pools) {
    const path = join(dir, file);
    const buffer = readPoolFile(path);
    const pool = openPool(buffer, path);
    if (pool.metadata.version !== version) {
      throw inputError(
        `${path} is a pool of another version than its manifest says`,
        'Build the pools again: dare pools.',
      );
    }
    if (verify && sha256(buffer) !== written) {
      throw inputError(
        `${path} was damaged or changed since it was written: its sha256 isn't the one in the manifest beside it`,
        'Build the pools again: dare pools. (It takes over those that are whole; dare pools verify lists the others.)',
      );
    }
    if (pool.metadata.tokenizer !== tokenizer) {
      throw inputError(
        `The pool ${path} was built for another tokenizer (${pool.metadata.tokenizer.slice(0, 12)}, ` +
          `the model's is ${tokenizer.slice(0, 12)})`,
        'Build the pools again with the tokenizer of this model: dare pools.',
      );
    }
    bytes.set(poolKey(pool.metadata.entityType, pool.metadata.cohort), buffer);
    metadata.push(pool.metadata);
  }
  return { bytes, version: setVersion(metadata) };
}

/** A pool that `writePools` has written into the folder. */
export function openWritten(dir: string, metadata: PoolMetadata): Pool {
  return openFile(join(dir, fileName(metadata)));
}

function openFile(path: string): Pool {
  return openPool(readPoolFile(path), path).pool;
}

function entryOf({ bytes, metadata, fingerprint }: BuiltPool & { fingerprint?: string }): PoolEntry {
  const file = { file: fileName(metadata), sha256: sha256(bytes), size: bytes.byteLength };
  // what was learnt is of use beside the columns alone
  const { weights: _, chances: __, chancesBy: ___, relaxed: ____, ...facts } = metadata;
  // parsed, so that keys stand in the order that they have when they are taken over
  return entrySchema.parse({ ...file, ...(fingerprint === undefined ? {} : { fingerprint }), ...facts });
}

async function writePool({ bytes }: BuiltPool, path: string): Promise<void> {
  await replaceFile(path, 'the pool could not be written', (temporary) =>
    writeFile(temporary, new Uint8Array(bytes)),
  );
}

async function takeOver({ dir: from, entry: { file } }: EarlierPool, dir: string): Promise<void> {
  const source = join(from, file);
  const path = join(dir, file);
  if (source === path) return;
  const link = async (temporary: string) => {
    try {
      linkSync(source, temporary);
    } catch {
      copyFileSync(source, temporary);
    }
  };
  await replaceFile(path, 'the pool could not be taken over', link, async (temporary) => {
    await publishFile(temporary, path);
    // renaming over another link of the same file leaves both
    await discard(temporary);
  });
}

function sha256(bytes: SharedArrayBuffer): string {
  return createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
}

/** A readable part of the cohort's name, and the version, which keeps names apart. */
function fileName({ entityType, cohort, version }: PoolOwner & { version: string }): string {
  const name = cohort === null ? 'shared' : `${entityType ?? 'any'}-${cohort}`;
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  const key = createHash('sha256')
    .update(JSON.stringify([entityType, cohort]))
    .digest('hex')
    .slice(0, 8);
  return `${readable}-${key}-${version.slice(0, 12)}.arrow`;
}
