import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { DareError, runError } from '../errors.js';
import { fileError } from '../lake/file-error.js';

/**
 * Makes the folder `target` of the model's cache, unless it is there: `build` fills a folder beside it, which is then
 * renamed, so that nobody meets half a folder. A folder's name must tell its content: of two processes that build the
 * same one, the first wins.
 * Throws runError when it can't be written.
 */
export function cachedFolder(target: string, build: (folder: string) => void): void {
  if (existsSync(target)) return;
  let temporary: string | undefined;
  try {
    mkdirSync(dirname(target), { recursive: true });
    temporary = mkdtempSync(`${target}${unfinished}`);
    build(temporary);
    if (!existsSync(target)) renameSync(temporary, target);
  } catch (error) {
    if (!existsSync(target)) throw cacheError(error, target);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * How the name of a folder that this process is building goes on, its threads included. Not by the process id: containers
 * that share a cache have the same ones.
 */
const unfinished = `.tmp-${processMark()}-`;

function processMark(): string {
  const key = 'dare: mark of the process';
  // environment data are handed to threads, and not to other processes
  if (getEnvironmentData(key) === undefined) setEnvironmentData(key, randomUUID().slice(0, 8));
  return getEnvironmentData(key) as string;
}

/** Removes what a thread of this process was building in `cache` when it was ended. */
export function removeUnfinished(cache: string): void {
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) {
    if (name.includes(unfinished)) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/** The error for a part of the model's cache that couldn't be written. */
export function cacheError(error: unknown, target: string): DareError {
  if (error instanceof DareError) return error;
  const { message } = fileError(error, "the model's cache could not be written", target);
  return runError(message, 'Set model.cache to a folder that can be written and has enough space.', error);
}
