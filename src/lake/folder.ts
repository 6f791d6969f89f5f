import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, rmdirSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { codeOf, fileError } from './file-error.js';

/** Makes a folder and its parents, and brings them to the disk. @throws runError that says why it can't. */
export function makeFolder(dir: string): void {
  try {
    const first = mkdirSync(dir, { recursive: true });
    if (first !== undefined) syncUp(dir, dirname(first));
  } catch (error) {
    throw fileError(
      codeOf(error) === 'ENOENT' ? reasonAt(dir, error) : error,
      'the folder could not be made',
      dir,
    );
  }
}

/** Node says ENOENT of several folders on a read-only file system; of the first missing one alone it says the truth. */
function reasonAt(dir: string, otherwise: unknown): unknown {
  const parent = dirname(dir);
  if (parent !== dir && !existsSync(parent)) return reasonAt(parent, otherwise);
  try {
    mkdirSync(dir);
    return otherwise;
  } catch (error) {
    return error;
  }
}

/** Names in a folder, none where there is no folder. @throws runError where it can't be read */
export function listFolder(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw fileError(error, 'the folder could not be read', dir);
  }
}

/** Removes a folder and its parents up to `top`, as far as they are empty. */
export function removeEmpty(dir: string, top: string): void {
  for (let empty = dir; isWithin(empty, top); empty = dirname(empty)) {
    try {
      rmdirSync(empty);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return;
    }
  }
}

function isWithin(dir: string, top: string): boolean {
  return dir !== top && !relative(top, dir).startsWith('..');
}

/** A new folder is there after a crash of the machine only if its parent is on the disk. */
function syncUp(dir: string, top: string): void {
  for (let parent = dirname(dir); ; parent = dirname(parent)) {
    const handle = openSync(parent, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    if (parent === top || parent === dirname(parent)) return;
  }
}
