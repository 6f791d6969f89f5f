import { rmSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from './file-error.js';
import { listFolder } from './folder.js';
import { host, isRunning } from './process.js';

let counter = 0;
const inUse = new Set<string>();

/**
 * A fresh name beside `final` for a file in the making: `<name>.tmp-<host>-<process>-<n>`. It doesn't end in
 * `.parquet`, so no reader's glob matches it, and it says who makes it, so that `removeStale` knows what is left over.
 * A folder of that name with `.spill` after it holds what is set aside meanwhile.
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
    await syncFile(temporary, 'r+');
    await rename(temporary, final);
  } catch (error) {
    await discard(temporary);
    throw fileError(error, 'the file could not be published', final);
  }
  inUse.delete(temporary);
  try {
    await syncFile(dirname(final), 'r');
  } catch (error) {
    throw fileError(error, 'the folder could not be brought to the disk', dirname(final));
  }
}

/**
 * Writes a file beside `final` and publishes it: readers see the old one or the whole new one.
 * @param failure what to say when `write` fails, for example 'the prompts could not be written'
 * @param publish `publishFile`, or what is done in its place
 * @throws runError where the disk is full, read-only or forbidden; nothing is left and `final` is as it was
 */
export async function replaceFile(
  final: string,
  failure: string,
  write: (temporary: string) => Promise<unknown>,
  publish: (temporary: string, final: string) => Promise<void> = publishFile,
): Promise<void> {
  const temporary = temporaryBeside(final);
  try {
    await write(temporary);
  } catch (error) {
    await discard(temporary);
    throw fileError(error, failure, final);
  }
  await publish(temporary, final);
}

/** Removes a temporary file or folder, if it is there. Never throws: it is called on the way out of another error. */
export async function discard(temporary: string): Promise<void> {
  inUse.delete(ownerOf(temporary));
  await rm(temporary, { force: true, recursive: true }).catch(() => undefined);
}

/**
 * Temporary files and folders of our own naming whose maker is gone: this process no longer uses them, or the process on
 * this host has ended, or another host's file hasn't been touched for a day. Other files are left alone.
 */
export function findStale(dir: string): string[] {
  return listFolder(dir).flatMap((name) => {
    const match = /\.tmp-([\w.-]+)-(\d+)-\d+(\.spill)?$/.exec(name);
    const path = join(dir, name);
    return match === null || isAlive(path, match[1] as string, Number(match[2])) ? [] : [path];
  });
}

/** Removes what `findStale` finds. */
export function removeStale(dir: string): string[] {
  return findStale(dir).filter((path) => {
    try {
      rmSync(path, { recursive: true, force: true });
      return true;
    } catch {
      // Not ours to remove (another user's, or a read-only lake): whoever writes here meets the real error.
      return false;
    }
  });
}

/** Brings a file or a folder (`r`) to the disk. */
export async function syncFile(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAlive(path: string, madeOn: string, pid: number): boolean {
  if (madeOn === host()) {
    return pid === process.pid ? inUse.has(ownerOf(path)) : isRunning(pid);
  }
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return age < 24 * 3600 * 1000;
}

/** The name that `temporaryBeside` gave, for a folder of spilled data too. */
function ownerOf(path: string): string {
  return path.replace(/\.spill$/, '');
}
