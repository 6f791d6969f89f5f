import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, statSync } from 'node:fs';
import { inputError, runError } from '../errors.js';
import { unreadable } from '../unreadable.js';

/** A file as a manifest remembers it. */
export interface FileRecord {
  path: string;
  sha256: string;
  /**
   * Size, time of the last change and inode: while they stay the same the content isn't read again. Null for a file that
   * had just been written: it could be changed once more within the same tick of the file system's clock.
   */
  stamp: string | null;
}

/** Milliseconds after which another change shows in the time of the last change, on any file system in use. */
const clockTick = 2000;

/** `path` and stamp -> sha256, of what this process has read or has been told by a manifest. */
const known = new Map<string, string>();

/** Files that stand for something with a name of its own, as an object in a store -> that name. */
const names = new Map<string, string>();

/** From now on records of the file have another name for its path: what it stands for. */
export function nameFile(path: string, name: string): void {
  names.set(path, name);
}

/** Remembers what a manifest says of files, so that those that are as they were needn't be read again. */
export function rememberFiles(records: readonly FileRecord[]): void {
  for (const { path, stamp, sha256 } of records) if (stamp !== null) known.set(keyOf(path, stamp), sha256);
}

/**
 * The record of a file: its content is read only where nothing is known of it as it is.
 * @throws inputError when the file is missing or can't be read; runError when it is replaced meanwhile
 */
export async function recordFile(path: string): Promise<FileRecord> {
  const stats = statsOf(path);
  const stamp = stampOf(stats);
  const name = names.get(path) ?? path;
  const remembered = known.get(keyOf(name, stamp));
  if (remembered !== undefined) return { path: name, sha256: remembered, stamp };
  const settled = Date.now() - Number(stats.mtimeMs) > clockTick;
  const sha256 = await fingerprintFile(path);
  checkStamp(path, stamp);
  if (!settled) return { path: name, sha256, stamp: null };
  known.set(keyOf(name, stamp), sha256);
  return { path: name, sha256, stamp };
}

/** The record of a file that we have just written ourselves, under a name that nobody else writes to. */
export async function recordOwnFile(path: string, name: string = path): Promise<FileRecord> {
  return { path: name, sha256: await fingerprintFile(path), stamp: fileStamp(path) };
}

/** Whether `path` still holds what the record says; the content is read only where stamps differ. */
export async function isUnchanged({ sha256, stamp }: FileRecord, path: string): Promise<boolean> {
  return fileStamp(path) === stamp || (await recordFile(path)).sha256 === sha256;
}

/** Files that must stay what they are until they have been read. */
export class FileWatch {
  private readonly stamps = new Map<string, string>();

  /** @throws inputError when one is missing */
  constructor(paths: Iterable<string>) {
    for (const path of paths) this.stamps.set(path, fileStamp(path));
  }

  /** @throws runError when one of them was changed or replaced since */
  check(): void {
    for (const [path, stamp] of this.stamps) checkStamp(path, stamp);
  }
}

/**
 * sha256 (hex) of a file's content, read as a stream: for telling whether an input has changed.
 * @throws inputError when the file is missing or can't be read
 */
export async function fingerprintFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw missingOr(file, error);
  }
  return hash.digest('hex');
}

function checkStamp(path: string, stamp: string): void {
  let now: string | undefined;
  try {
    now = fileStamp(path);
  } catch {
    // gone: the same to whoever was reading it
  }
  if (now === stamp) return;
  throw runError(
    `${path} was changed or replaced while it was read; nothing was written`,
    'Run again, when whoever writes the file is done.',
  );
}

function statsOf(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    throw missingOr(path, error);
  }
}

/** What tells a file from one that was changed or replaced since. @throws inputError when it is missing */
export function fileStamp(path: string): string {
  return stampOf(statsOf(path));
}

function stampOf({ size, mtimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ino}`;
}

function keyOf(path: string, stamp: string): string {
  return `${path}\0${stamp}`;
}

function missingOr(file: string, error: unknown) {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT')
    return inputError(`${file} is missing`, checkPath, error);
  return unreadable(error, file, checkPath);
}

const checkPath = 'Check its path.';
