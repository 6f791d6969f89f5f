import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { DareError, inputError, messageOf, runError } from '../errors.js';

/** The tables of a lake, in the order of the data's way. `pools` holds Arrow IPC files, the others Parquet. */
export const tableNames = ['cohorts', 'prompts', 'pools', 'texts', 'features'] as const;
export type TableName = (typeof tableNames)[number];

/** The manifest's file name, beside the data of every partition. */
export const manifestName = '_manifest.json';

/**
 * Where the tables' files lie: `<root>/<table>/partition=<P>/<table>.parquet`, one fixed file a partition, so that
 * a reader sees the old table or the new one and never a mixture. Scratch lies under `<root>/_work`, which no
 * reader's glob over a table matches.
 */
export class Lake {
  readonly root: string;

  constructor(root: string) {
    if (root.trim() === '' || root.includes('\0')) {
      throw inputError(
        'the lake needs a folder, but its path is empty',
        'Set lake in the configuration, or --lake.',
      );
    }
    this.root = resolve(root);
  }

  /** The folder of a table's partition. It need not exist. */
  dir(table: TableName, partition: string): string {
    return join(this.root, table, `partition=${checked(partition)}`);
  }

  /** The one Parquet file of a table's partition that readers see. */
  file(table: TableName, partition: string): string {
    return join(this.dir(table, partition), `${table}.parquet`);
  }

  /** Scratch of a table's partition (parts, spilled data): never seen by a reader, free to be removed. */
  work(table: TableName, partition: string): string {
    return join(this.root, '_work', table, `partition=${checked(partition)}`);
  }

  /** Partitions of a table that hold its file or a manifest, in code-unit order. */
  partitions(table: TableName): string[] {
    return list(join(this.root, table))
      .filter((name) => name.startsWith('partition='))
      .map((name) => name.slice('partition='.length))
      .filter((name) => isName(name))
      .filter((name) => isFile(this.file(table, name)) || isFile(join(this.dir(table, name), manifestName)))
      .sort();
  }

  /**
   * Makes the folder of a table's partition, removes temporary files that a killed run left in it, and returns it.
   * @throws runError where the lake can't be written.
   */
  prepare(table: TableName, partition: string): string {
    const dir = this.dir(table, partition);
    makeFolder(dir);
    removeStale(dir);
    return dir;
  }

  /** Makes the scratch folder of a table's partition and returns it; `clear` empties it first. */
  prepareWork(table: TableName, partition: string, options: { clear?: boolean } = {}): string {
    const dir = this.work(table, partition);
    if (options.clear === true) this.clearWork(table, partition);
    makeFolder(dir);
    return dir;
  }

  /** Removes the scratch folder of a table's partition; fine when there is none. */
  clearWork(table: TableName, partition: string): void {
    const dir = this.work(table, partition);
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch (error) {
      throw fileError(error, 'the folder of temporary files could not be removed', dir);
    }
  }
}

/** Makes a folder and its parents. @throws runError that says why it can't. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw fileError(error, 'the folder could not be made', dir);
  }
}

let counter = 0;
const inUse = new Set<string>();

/**
 * A fresh name beside `final` for a file in the making: `<name>.tmp-<host>-<process>-<n>`. It doesn't end in
 * `.parquet`, so no reader's glob matches it, and it says who makes it, so that `removeStale` knows what is left over.
 * A folder of that name with `.spill` after it holds what DuckDB spills meanwhile.
 */
export function temporaryBeside(final: string): string {
  const name = `${final}.tmp-${host()}-${process.pid}-${counter++}`;
  inUse.add(name);
  return name;
}

/**
 * Makes `temporary` the file that readers see: its bytes are brought to the disk, then it is renamed over `final`,
 * then the folder is brought to the disk. Before the rename nothing has changed for readers.
 * @throws runError where the disk is full, read-only or forbidden; `temporary` is removed then.
 */
export async function publishFile(temporary: string, final: string): Promise<void> {
  try {
    await sync(temporary, 'r+');
    await rename(temporary, final);
  } catch (error) {
    await discard(temporary);
    throw fileError(error, 'the file could not be published', final);
  }
  inUse.delete(temporary);
  try {
    await sync(dirname(final), 'r');
  } catch (error) {
    throw fileError(error, 'the folder could not be brought to the disk', dirname(final));
  }
}

/** Removes a temporary file, if it is there. Never throws: it is called on the way out of another error. */
export async function discard(temporary: string): Promise<void> {
  inUse.delete(temporary);
  await rm(temporary, { force: true }).catch(() => undefined);
}

/**
 * Removes temporary files of our own naming whose maker is gone: this process no longer uses them, or the process on
 * this host has ended, or another host's file hasn't been touched for a day. Other files are left alone.
 */
export function removeStale(dir: string): string[] {
  const removed: string[] = [];
  for (const name of list(dir)) {
    const match = /\.tmp-([\w.-]+)-(\d+)-\d+(\.spill)?$/.exec(name);
    if (match === null) continue;
    const path = join(dir, name);
    if (isAlive(path, match[1] as string, Number(match[2]))) continue;
    try {
      rmSync(path, { recursive: true, force: true });
      removed.push(path);
    } catch {
      // Not ours to remove (another user's, or a read-only lake): whoever writes here meets the real error.
    }
  }
  return removed;
}

/**
 * What a failed file operation means to the user: one sentence with what, where and why, and what to do.
 * Understands Node's error codes and DuckDB's messages; a DareError passes unchanged.
 */
export function fileError(error: unknown, what: string, path: string): DareError {
  if (error instanceof DareError) return error;
  const reason = reasons.find(({ code, text }) => codeOf(error) === code || messageOf(error).includes(text));
  if (reason === undefined) return runError(`${what}: ${path}: ${messageOf(error)}`, undefined, error);
  return runError(`${what}: ${path}: ${reason.why}`, reason.hint, error);
}

const reasons = [
  {
    code: 'ENOSPC',
    text: 'No space left on device',
    why: 'no space is left on the disk',
    hint: 'Free some space, or choose another folder for the lake, and start again: the earlier output is untouched.',
  },
  {
    code: 'EDQUOT',
    text: 'Disk quota exceeded',
    why: 'the disk quota is used up',
    hint: 'Free some space, or choose another folder for the lake, and start again: the earlier output is untouched.',
  },
  {
    code: 'EFBIG',
    text: 'File too large',
    why: 'the file would be larger than the system allows',
    hint: 'Raise the limit of the size of a file (ulimit -f), or choose another disk.',
  },
  {
    code: 'EACCES',
    text: 'Permission denied',
    why: 'permission is denied',
    hint: 'Give this user the right to write there, or choose another folder for the lake.',
  },
  {
    code: 'EPERM',
    text: 'Operation not permitted',
    why: 'the system does not permit it',
    hint: 'Give this user the right to write there, or choose another folder for the lake.',
  },
  {
    code: 'EROFS',
    text: 'Read-only file system',
    why: 'the file system is read-only',
    hint: 'Choose another folder for the lake, or mount it for writing.',
  },
  {
    code: 'ENOTDIR',
    text: 'Not a directory',
    why: 'a part of the path is a file, not a folder',
    hint: 'Choose another folder for the lake.',
  },
  {
    code: 'EEXIST',
    text: 'File exists',
    why: 'there is a file of that name already',
    hint: 'Choose another folder for the lake.',
  },
];

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

async function sync(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAlive(path: string, madeOn: string, pid: number): boolean {
  if (madeOn === host()) {
    return pid === process.pid ? inUse.has(path.replace(/\.spill$/, '')) : isRunning(pid);
  }
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return age < 24 * 3600 * 1000;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function host(): string {
  return hostname().replaceAll(/[^\w.-]/g, '_') || 'host';
}

function checked(partition: string): string {
  if (!isName(partition)) {
    throw inputError(
      `the partition ${JSON.stringify(partition)} can't be a folder's name`,
      'Use letters, digits, ".", "_" and "-", for example 2026-11-23.',
    );
  }
  return partition;
}

function isName(partition: string): boolean {
  return partition !== '' && partition !== '.' && partition !== '..' && !/[/\\\0]/.test(partition);
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => basename(name));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw fileError(error, 'the folder could not be read', dir);
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
