import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { discard, listFolder, makeFolder, replaceFile } from '../lake/lake.js';
import { type Manifest, readManifest, writeManifest } from '../lake/manifest.js';
import { type BuiltPool, type PoolKey, poolKey } from './builder.js';
import { openPool, type PoolMetadata, readPoolFile } from './file.js';

/** Pools ready to be handed to the engine's thread. */
export interface PoolSet {
  bytes: Map<PoolKey, SharedArrayBuffer>;
  /** Changes when any of the pools does; null for no pools at all. */
  version: string | null;
}

export const noPools: PoolSet = { bytes: new Map(), version: null };

const entrySchema = z.object({ file: z.string().regex(/^[^/\\]+\.arrow$/), version: z.string() });
const listSchema = z.object({ pools: z.array(entrySchema) });

/** The version of a set of pools. */
export function setVersion(pools: readonly PoolMetadata[]): string | null {
  if (pools.length === 0) return null;
  const lines = pools.map(({ entityType, cohort, version }) => JSON.stringify([entityType, cohort, version]));
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
}

/**
 * Writes pools into a folder: every file under a name that its content decides, then the manifest that lists them.
 * Readers go by the manifest, so they see the old set or the new one; files of the old one are removed last.
 */
export async function writePools(
  dir: string,
  pools: Iterable<BuiltPool>,
  manifest: Manifest,
): Promise<{ files: string[]; metadata: PoolMetadata[]; version: string | null }> {
  makeFolder(dir);
  const earlier = listFolder(dir);
  const metadata: PoolMetadata[] = [];
  const names: string[] = [];
  const sums: string[] = [];
  let version: string | null;
  try {
    for (const pool of pools) {
      const name = fileName(pool.metadata);
      const bytes = new Uint8Array(pool.bytes);
      await replaceFile(join(dir, name), 'the pool could not be written', (temporary) =>
        writeFile(temporary, bytes),
      );
      names.push(name);
      sums.push(sha256(pool.bytes));
      metadata.push(pool.metadata);
    }
    version = setVersion(metadata);
    const list = metadata.map((entry, i) => ({ file: names[i], sha256: sums[i], ...entry }));
    await writeManifest(dir, { ...manifest, version, pools: list });
  } catch (error) {
    // no manifest lists them
    for (const name of names) if (!earlier.includes(name)) await discard(join(dir, name));
    throw error;
  }
  for (const old of earlier) {
    if (old.endsWith('.arrow') && !names.includes(old)) rmSync(join(dir, old), { force: true });
  }
  return { files: names.map((name) => join(dir, name)), metadata, version };
}

/**
 * Loads the pools of a folder for a tokenizer.
 * @throws inputError when the folder has no manifest, a file is broken, or a pool belongs to another tokenizer
 */
export async function loadPools(dir: string, tokenizer: string): Promise<PoolSet> {
  const manifest = await readManifest(dir);
  if (manifest === undefined) {
    throw inputError(`${dir} holds no pools: its manifest is missing`, 'Build them with dare pools.');
  }
  const list = listSchema.safeParse(manifest);
  if (!list.success)
    throw inputError(`The manifest in ${dir} lists no pools`, 'Build them again with dare pools.');
  const bytes = new Map<PoolKey, SharedArrayBuffer>();
  const metadata: PoolMetadata[] = [];
  for (const { file, version } of list.data.pools) {
    const path = join(dir, file);
    const buffer = readPoolFile(path);
    // sizes and ranges alone: checksums of large pools take seconds
    const pool = openPool(buffer, path);
    if (pool.metadata.version !== version) {
      throw inputError(
        `${path} is a pool of another version than its manifest says`,
        'Build the pools again: dare pools.',
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

function sha256(bytes: SharedArrayBuffer): string {
  return createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
}

/** A readable part of the cohort's name, and the version, which keeps names apart. */
function fileName({ entityType, cohort, version }: PoolMetadata): string {
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
