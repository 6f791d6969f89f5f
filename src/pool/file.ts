/**
 * Pools as Arrow IPC files: one table, the trie's columns, read without copying into memory that threads share.
 * A last row holds no node: it closes the last family of children.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import {
  Field,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
} from 'apache-arrow';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';
import { Pool, type TrieColumns } from './trie.js';

/** What a pool was made of; stands in the schema's metadata under the key `dare.pool`, as JSON. */
export interface PoolMetadata {
  /** Fingerprint of the tokenizer: token ids of another one mean other words. */
  tokenizer: string;
  /** Null for the pool that all cohorts share. */
  entityType: string | null;
  cohort: string | null;
  /** Longest n-gram, in tokens. */
  maxLength: number;
  documents: number;
  tokens: number;
  nodes: number;
  /** First half of the sha256 over the columns: equal texts make equal versions. */
  version: string;
}

const columnNames = ['token', 'count', 'first_child', 'link'] as const;
const metadataKey = 'dare.pool';
const metadataSchema = z.object({
  tokenizer: z.string(),
  entityType: z.string().nullable(),
  cohort: z.string().nullable(),
  maxLength: z.number().int().min(2).max(64),
  documents: z.number().int().min(0),
  tokens: z.number().int().min(0),
  nodes: z.number().int().min(1),
  version: z.string(),
});

export type PoolSource = Omit<PoolMetadata, 'nodes' | 'version'>;

/** The pool as an Arrow IPC file's bytes, in shared memory. */
export function encodePool(
  columns: TrieColumns,
  source: PoolSource,
): { bytes: SharedArrayBuffer; metadata: PoolMetadata } {
  const nodes = columns.token.length;
  const padded = [columns.token, columns.count, columns.firstChild, columns.link].map((column, i) => {
    const values = new Int32Array(nodes + 1);
    values.set(column);
    if (i === 0) values[nodes] = -1;
    return values;
  });
  const metadata = { ...source, nodes, version: versionOf(padded) };
  const fields = columnNames.map((name) => new Field(name, new Int32(), false));
  const schema = new Schema(fields, new Map([[metadataKey, JSON.stringify(metadata)]]));
  const children = padded.map((data) =>
    makeData({ type: new Int32(), length: nodes + 1, nullCount: 0, data }),
  );
  const struct = makeData({ type: new Struct(fields), length: nodes + 1, nullCount: 0, children });
  const file = tableToIPC(new Table([new RecordBatch(schema, struct)]), 'file');
  const bytes = new SharedArrayBuffer(file.length);
  new Uint8Array(bytes).set(file);
  return { bytes, metadata };
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
    throw inputError(
      `The pool ${file} can't be read: ${messageOf(error)}`,
      'Build the pools again: dare pools.',
      error,
    );
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * The pool in `bytes`, without copying. Everything a lookup relies on is checked, so a broken file can't lead astray.
 * @param name of the file, for messages
 * @throws inputError for a truncated, broken or foreign file
 */
export function openPool(bytes: SharedArrayBuffer, name: string): { pool: Pool; metadata: PoolMetadata } {
  const broken = (why: string) =>
    inputError(`${name} is no whole pool file: ${why}`, 'Build the pools again: dare pools.');
  let table: Table;
  try {
    table = tableFromIPC(new Uint8Array(bytes));
  } catch (error) {
    throw broken(`Arrow can't read it (${messageOf(error)})`);
  }
  const metadata = parseMetadata(table.schema.metadata.get(metadataKey));
  if (metadata === undefined) throw broken(`its schema has no metadata "${metadataKey}"`);
  const rows = metadata.nodes + 1;
  const [token, count, firstChild, link] = columnNames.map((column) => {
    const data = table.getChild(column)?.data;
    const values: unknown = data?.[0]?.values;
    if (
      data?.length !== 1 ||
      !(values instanceof Int32Array) ||
      values.length < rows ||
      table.numRows !== rows
    ) {
      throw broken(`its column ${column} doesn't hold ${rows} integers`);
    }
    return values.subarray(0, rows);
  }) as [Int32Array, Int32Array, Int32Array, Int32Array];
  // ids and counts of a damaged file can look sound, and a huge id would ask for a huge table
  if (versionOf([token, count, firstChild, link]) !== metadata.version)
    throw broken('its columns are not those that its version was made of');
  const columns = {
    token: token.subarray(0, -1),
    count: count.subarray(0, -1),
    firstChild,
    link: link.subarray(0, -1),
  };
  const fault = faultIn(columns);
  if (fault !== undefined) throw broken(fault);
  return { pool: new Pool(columns, metadata.maxLength), metadata };
}

/** @param padded the columns of the file, each with its last row */
function versionOf(padded: readonly Int32Array[]): string {
  const hash = createHash('sha256');
  for (const column of padded) hash.update(column);
  return hash.digest('hex').slice(0, 32);
}

function parseMetadata(text: string | undefined): PoolMetadata | undefined {
  if (text === undefined) return undefined;
  try {
    return metadataSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The first violation of what lookups rely on: children after their parents, in order; links towards the root. */
function faultIn({ token, count, firstChild, link }: TrieColumns): string | undefined {
  const nodes = token.length;
  if (firstChild[0] !== 1 || firstChild[nodes] !== nodes) return 'its children do not cover its nodes';
  for (let node = 0; node < nodes; node++) {
    const first = firstChild[node] as number;
    if (first <= node || first > (firstChild[node + 1] as number))
      return `the children of node ${node} are out of order`;
    if (node > 0 && ((token[node] as number) < 0 || (count[node] as number) < 1))
      return `node ${node} has no token or count`;
    const to = link[node] as number;
    if (to < 0 || (to >= node && node > 0)) return `node ${node} links to ${to}`;
  }
  return undefined;
}
