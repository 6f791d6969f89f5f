/** What a key of a lake is: which part of the lake, table and partition it belongs to, and when it may be published. */
import { allTableNames, manifestName, reportName, type TableName } from '../lake/lake.js';
import { isSafeKey } from './location.js';

/** A file of a lake, by its key relative to the lake. */
export interface LakeKey {
  /** The tables themselves, what was kept of them before, what they are being made of. */
  area: 'tables' | '_earlier' | '_unfinished';
  table: TableName;
  partition: string;
  /** Below the partition's folder. */
  name: string;
}

/** Files that appear and vanish together: a table with its manifest, or what is kept of a decoding. */
export type Unit = string;

export const lockFolder = '_locks';

/** Parts of the lake that travel; `_work` is scratch of one machine. */
export const travellingFolders: readonly string[] = [...allTableNames, '_earlier', '_unfinished'];

/**
 * What a key stands for; undefined for whatever isn't a lake's, or belongs to one machine: its locks, temporary files.
 */
export function parseKey(key: string): LakeKey | undefined {
  const [, area = 'tables', table, partition, name] =
    /^(?:(_earlier|_unfinished)\/)?([a-z]+)\/partition=([^/]+)\/(.+)$/s.exec(key) ?? [];
  const known = allTableNames.find((one) => one === table);
  if (known === undefined || partition === undefined || name === undefined || !isSafeKey(key))
    return undefined;
  if ([partition, ...name.split('/')].some((part) => /\.lock-\d+$|\.tmp-/.test(part))) return undefined;
  return { area: area as LakeKey['area'], table: known, partition, name };
}

/** Where a partition of a table is, with a slash at its end. */
export function prefixOf(area: LakeKey['area'], table: TableName, partition: string): string {
  return `${area === 'tables' ? '' : `${area}/`}${table}/partition=${partition}/`;
}

export function unitOf({ area, table, partition, name }: LakeKey): Unit {
  const folder = prefixOf(area, table, partition);
  // written by whoever looks at the table
  if (area === 'tables' && name === reportName) return `${folder}${name}`;
  return area === '_unfinished' ? `${folder}${name.split('/', 1)[0]}` : folder;
}

/** What lists others of its unit: their manifest, or the journal of kept rows. */
export function isList({ area, name }: LakeKey): boolean {
  return area === '_unfinished' ? /(^|\/)journal$/.test(name) : name === manifestName;
}

/**
 * In which order files are published, the lowest first: what is listed before its list, what was kept of a table before
 * the table that replaced it.
 */
export function rankOf(key: LakeKey): number {
  const areas = ['_earlier', 'tables', '_unfinished'];
  return 2 * areas.indexOf(key.area) + (isList(key) ? 1 : 0);
}
