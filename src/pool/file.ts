/**
 * Pools as Arrow IPC files: one table of one row, a list for each of the trie's columns, read without copying into
 * memory that threads share.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { type DareError, inputError, messageOf } from '../errors.js';
import { unreadable } from '../unreadable.js';
import { listsIn, schemaText, writeLists } from './arrow.js';
import { Chances, certain, chancePoints } from './chances.js';
import { columnKeys, columnLengths, faultIn, largestOf, versionOf } from './columns.js';
import { decodeEscapes, escapeClasses } from './escape.js';
import type { Learnt, LearntMaps, Profiles } from './ngrams.js';
import { decodeProfile, profileDrafts, profileNodes } from './profile.js';
import { nodeWidth, Pool, type PoolTexts, type TrieColumns } from './trie.js';

/** What a pool was made of; stands in the schema's metadata under the key `dare.pool`, as JSON. */
export interface PoolMetadata {
  /** Fingerprint of the tokenizer: token ids of another one mean other words. */
  tokenizer: string;
  /** Null for the pool that all cohorts share. */
  entityType: string | null;
  cohort: string | null;
  /** Longest n-gram that is counted, in tokens. */
  maxLength: number;
  documents: number;
  tokens: number;
  /** Lengths of columns; see `TrieColumns`. */
  nodes: number;
  slots: number;
  leaves: number;
  places: number;
  largestToken: number;
  /** Of the shared pool: how far counts are trusted, by class of contexts; see `encodeEscapes`. */
  weights?: number[] | undefined;
  /** Of the shared pool, where they were learnt: what estimated chances are worth; see `encodeChances`. */
  chances?: number[] | undefined;
  /** The same for texts of one entity type, by its name, in the order of names. */
  chancesBy?: [entityType: string, chances: number[]][] | undefined;
  /** Both for drafts of mode relaxed, whose first choices are raised before anything was seen, and what drafts are like. */
  relaxed?: RelaxedMaps | undefined;
  /** First half of the sha256 over the columns, the weights and the chances: equal texts make equal versions. */
  version: string;
}

/** What estimated chances are worth, as they stand in the metadata. */
export type ChanceMaps = Pick<PoolMetadata, 'chances' | 'chancesBy'>;

/** Beside them what drafts are like. */
export interface RelaxedMaps extends ChanceMaps {
  /** Some drafts; see `encodeProfile`. */
  profile?: string | undefined;
  /** Of texts of one entity type, by its name, in the order of names. */
  profileBy?: [entityType: string, profile: string][] | undefined;
}

const metadataKey = 'dare.pool';
/** Counts up when the columns or the metadata change. */
export const poolFormat = 5;
const size = z
  .number()
  .int()
  .min(0)
  .max(2 ** 29);
const chancesSchema = z.array(z.number().int().min(0).max(certain)).length(chancePoints);
const mapsSchema = z.object({
  chances: chancesSchema.optional(),
  chancesBy: z.array(z.tuple([z.string(), chancesSchema])).optional(),
});
/** Base64 of `profileDrafts` drafts at most. */
const profileSchema = z.string().max(Math.ceil((profileNodes * profileDrafts) / 3) * 4);
const relaxedSchema = mapsSchema.extend({
  profile: profileSchema.optional(),
  profileBy: z.array(z.tuple([z.string(), profileSchema])).optional(),
});
const metadataSchema = mapsSchema.extend({
  tokenizer: z.string(),
  entityType: z.string().nullable(),
  cohort: z.string().nullable(),
  maxLength: z.number().int().min(2).max(64),
  documents: size,
  tokens: size,
  nodes: size,
  slots: size,
  leaves: size,
  places: size,
  largestToken: z.number().int().min(-1),
  weights: z.array(z.number().int().min(1).max(9999)).length(escapeClasses).optional(),
  relaxed: relaxedSchema.optional(),
  version: z.string(),
});

/** What was learnt from the texts of all pools, as it stands in the metadata of the shared one. */
export type LearntMetadata = Pick<PoolMetadata, 'weights' | 'chances' | 'chancesBy' | 'relaxed'>;

export type PoolSource = Pick<
  PoolMetadata,
  'tokenizer' | 'entityType' | 'cohort' | 'maxLength' | 'documents' | 'tokens' | keyof LearntMetadata
>;

/**
 * The pool as an Arrow IPC file's bytes, in shared memory.
 * @param version `versionOf` the columns and what was learnt
 */
export function encodePool(
  columns: TrieColumns,
  source: PoolSource,
  version = versionOf(columns, source),
): { bytes: SharedArrayBuffer; metadata: PoolMetadata } {
  const { node, slot, leaf, text } = columns;
  const metadata: PoolMetadata = {
    ...source,
    nodes: node.length / nodeWidth - 1,
    slots: slot.length,
    leaves: leaf.length,
    places: text.length,
    largestToken: largestOf(text),
    version,
  };
  const lists = columnKeys.map((name) => ({ name: columnName(name), values: columns[name] }));
  return { bytes: writeLists(lists, metadataKey, sealed(metadata)), metadata };
}

/**
 * Reads a pool file into shared memory.
 * Throws inputError when it can't be read; `openPool` checks what is in it.
 */
export function readPoolFile(file: string): SharedArrayBuffer {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const bytes = new SharedArrayBuffer(fstatSync(descriptor).size);
    const view = new Uint8Array(bytes);
    let done = 0;
    while (done < view.length) {
      const read = readSync(descriptor, view, done, Math.min(view.length - done, 1 << 30), done);
      if (read === 0) throw new Error('it ended while it was read');
      done += read;
    }
    return bytes;
  } catch (error) {
    throw unreadable(error, `The pool ${file}`, 'Build the pools again: dare pools.');
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * The pool in `bytes`, without copying. Sizes, order and ranges are checked in one pass, so that a damaged file can't
 * lead a lookup astray, nor to a token the tokenizer doesn't have; its counts may be wrong: see `verifyPool`.
 * @param name of the file, for messages
 * @throws inputError for a truncated, broken, foreign or older file
 */
export function openPool(bytes: SharedArrayBuffer, name: string): { pool: Pool; metadata: PoolMetadata } {
  const metadata = readMetadata(bytes, name);
  const lengths = columnKeys.map((key) => columnLengths[key](metadata));
  const lists = listsIn(bytes, lengths);
  if (lists === undefined) throw broken(name, 'its columns are not where its sizes put them');
  const columns = Object.fromEntries(columnKeys.map((key, i) => [key, lists[i]])) as unknown as TrieColumns;
  const fault = faultIn(columns, metadata.largestToken);
  if (fault !== undefined) throw broken(name, fault);
  return {
    pool: new Pool(columns, metadata.maxLength, learntOf(metadata, name), textsOf(metadata)),
    metadata,
  };
}

/**
 * Checks every number of a pool: `openPool` and the checksum over the columns, which takes about a second a gigabyte.
 * @param name of the file, for messages
 * @throws inputError when anything isn't as it was written
 */
export function verifyPool(bytes: SharedArrayBuffer, name: string): PoolMetadata {
  const { pool, metadata } = openPool(bytes, name);
  if (versionOf(pool.columns, metadata) !== metadata.version)
    throw broken(name, 'its columns are not those that its version was made of');
  return metadata;
}

function textsOf({ entityType, documents, tokens }: PoolMetadata): PoolTexts {
  return { entityType, meanLength: documents === 0 ? undefined : tokens / documents };
}

function learntOf({ weights, relaxed, ...strict }: LearntMetadata, name: string): Learnt {
  return {
    escapes: weights && decodeEscapes(weights),
    ...mapsOf(strict, name),
    relaxed: relaxed && { ...mapsOf(relaxed, name), ...profilesOf(relaxed, name) },
  };
}

function mapsOf({ chances, chancesBy = [] }: ChanceMaps, name: string): LearntMaps {
  for (const map of [chances ?? [], ...chancesBy.map(([, map]) => map)])
    if (map.some((chance, i) => chance < (map[i - 1] ?? 0))) throw broken(name, 'its chances fall');
  return {
    chances: chances && new Chances(chances),
    chancesBy: new Map(chancesBy.map(([entityType, map]) => [entityType, new Chances(map)])),
  };
}

function profilesOf({ profile, profileBy = [] }: RelaxedMaps, name: string): Profiles {
  const decode = (encoded: string) => {
    try {
      return decodeProfile(encoded);
    } catch (error) {
      throw broken(name, messageOf(error));
    }
  };
  return {
    profile: profile === undefined ? undefined : decode(profile),
    profileBy: new Map(profileBy.map(([entityType, encoded]) => [entityType, decode(encoded)])),
  };
}

function broken(name: string, why: string): DareError {
  return inputError(`${name} is no whole pool file: ${why}`, 'Build the pools again: dare pools.');
}

/** `first_child` for `firstChild`. */
function columnName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The columns of a pool file: its one row holds a list in each. Types as DuckDB has them. */
export const poolFields = columnKeys.map((key) => ({ name: columnName(key), type: 'INTEGER[]' }));

/** The metadata as JSON that carries a checksum of itself. */
function sealed(metadata: PoolMetadata): string {
  const json = JSON.stringify(metadata);
  return JSON.stringify({ [metadataKey]: poolFormat, seal: sealOf(json), ...metadata });
}

/** @throws inputError for what is no pool of this format, or has damaged metadata */
function readMetadata(bytes: SharedArrayBuffer, name: string): PoolMetadata {
  const text = schemaText(bytes, `{"${metadataKey}":`);
  if (text === undefined) {
    if (schemaText(bytes, metadataKey) === undefined)
      throw broken(name, `it does not begin as an Arrow file with metadata "${metadataKey}"`);
    throw inputError(`${name} is a pool of an older format`, 'Build the pools again: dare pools.');
  }
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw broken(name, `its metadata is damaged (${messageOf(error)})`);
  }
  const { [metadataKey]: version, seal, ...rest } = read as Record<string, unknown>;
  if (seal !== sealOf(JSON.stringify(rest))) throw broken(name, 'its metadata is damaged');
  if (version !== poolFormat) {
    throw inputError(
      `${name} is a pool of format ${version}; this release reads format ${poolFormat}`,
      'Build the pools again: dare pools.',
    );
  }
  const metadata = metadataSchema.safeParse(rest);
  if (!metadata.success) throw broken(name, 'its metadata lacks what a pool needs');
  return metadata.data;
}

function sealOf(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, 16);
}
