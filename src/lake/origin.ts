import { z } from 'zod';
import type { FileRecord } from './fingerprint.js';
import type { Manifest } from './manifest.js';

/** All that a table is made from. Equal origins make equal tables. */
export interface Origin {
  /** What the configuration names (`inputs.items`, `model`) -> its files. Their content counts, not their place. */
  files: Record<string, FileRecord[]>;
  /** Tables of the lake (`cohorts`, `texts of 2026-10-01`) -> their fingerprints; null: there was none. */
  tables: Record<string, string | null>;
  /** The keys of the configuration that matter -> their values, as JSON. */
  configuration: Record<string, unknown>;
  /** Programs and texts that come with them -> version or hash. */
  versions: Record<string, string>;
}

const record = z.object({ path: z.string(), sha256: z.string(), stamp: z.string().nullable() });
const origin = z.object({
  files: z.record(z.string(), z.array(record)),
  tables: z.record(z.string(), z.string().nullable()),
  configuration: z.record(z.string(), z.unknown()),
  versions: z.record(z.string(), z.string()),
});

/** The origin that a manifest tells; undefined for one that has none (of an earlier version, or of another's making). */
export function originOf(manifest: Manifest): Origin | undefined {
  return origin.safeParse(manifest.origin).data;
}

/** The table that a manifest describes; undefined for one that has none (pools are several files). */
export function tableOf(manifest: Manifest): FileRecord | undefined {
  return record.safeParse(manifest.table).data;
}

/** What identifies the content of a table: its file's sha256, for pools the version of the set. */
export function fingerprintOf(manifest: Manifest | undefined): string | null {
  if (manifest === undefined) return null;
  const { version } = manifest;
  return tableOf(manifest)?.sha256 ?? (typeof version === 'string' ? version : null);
}

/** Keys of nested groups as paths: `{a: {b: 1}}` is `{'a.b': 1}`. Groups without keys, and keys without a value, vanish. */
export function flattened(value: Record<string, unknown>, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      const path = `${prefix}${key}`;
      if (inner === undefined) return [];
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return [[path, inner]];
      return Object.entries(flattened(inner as Record<string, unknown>, `${path}.`));
    }),
  );
}

/** Why a table made from `old` isn't what `now` would make: one phrase each; none where it is. */
export function differences(old: Origin, now: Origin): string[] {
  return [
    ...keysOf(old.files, now.files).flatMap((key) => {
      const change = fileChange(old.files[key] ?? [], now.files[key] ?? []);
      return change === undefined ? [] : [`${key}: ${change}`];
    }),
    ...keysOf(old.tables, now.tables).flatMap((key) => tableChange(key, old.tables[key], now.tables[key])),
    ...changes(old.configuration, now.configuration),
    ...changes(old.versions, now.versions),
  ];
}

function fileChange(old: readonly FileRecord[], now: readonly FileRecord[]): string | undefined {
  if (hashes(old).join() === hashes(now).join()) return undefined;
  const earlier = new Map(old.map(({ path, sha256 }) => [path, sha256]));
  const parts = [
    [now.filter(({ path, sha256 }) => (earlier.get(path) ?? sha256) !== sha256), 'changed'],
    [unmoved(without(now, old), old), 'is new'],
    [unmoved(without(old, now), now), 'is gone'],
  ] as const;
  return parts.flatMap(([files, what]) => (files.length === 0 ? [] : [`${named(files)} ${what}`])).join(', ');
}

function hashes(records: readonly FileRecord[]): string[] {
  return records.map(({ sha256 }) => sha256).sort();
}

/** Those whose paths the others haven't. */
function without(records: readonly FileRecord[], others: readonly FileRecord[]): FileRecord[] {
  return records.filter(({ path }) => !others.some((other) => other.path === path));
}

/** Those whose content the others haven't either; all, where that leaves none: then there are more files of one content. */
function unmoved(records: FileRecord[], others: readonly FileRecord[]): FileRecord[] {
  const other = new Set(hashes(others));
  const left = records.filter(({ sha256 }) => !other.has(sha256));
  return left.length > 0 ? left : records;
}

function named(files: readonly FileRecord[]): string {
  const [first, ...others] = files;
  return others.length === 0 ? `${first?.path}` : `${first?.path} (and ${others.length} more)`;
}

function tableChange(key: string, old: string | null | undefined, now: string | null | undefined): string[] {
  if ((old ?? null) === (now ?? null)) return [];
  return [`the table ${key} ${old == null ? 'is new' : now == null ? 'is gone' : 'changed'}`];
}

function changes(old: Record<string, unknown>, now: Record<string, unknown>): string[] {
  return keysOf(old, now).flatMap((key) => {
    const [before, after] = [old[key], now[key]];
    if (JSON.stringify(before) === JSON.stringify(after)) return [];
    return [`${key}: ${shown(before)} -> ${shown(after)}`];
  });
}

/** A value as JSON; hashes cut short. */
function shown(value: unknown): string {
  if (value === undefined) return 'unset';
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value.slice(0, 8);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function keysOf(...records: Record<string, unknown>[]): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))].sort();
}
