import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from './file-error.js';
import { temporaryBeside } from './publish.js';

/**
 * Makes a folder with one file, whole or not at all: it is made under another name and renamed, which fails where there
 * is a folder with something in it. So of several processes one succeeds, and nobody sees half a file. Hard links would
 * do the same, but not every file system has them.
 * @returns false where somebody was faster
 * @throws the system's error
 */
export function placeFolder(folder: string, name: string, text: string): boolean {
  const temporary = temporaryBeside(folder);
  try {
    mkdirSync(temporary);
    writeFileSync(join(temporary, name), text, { flush: true });
    renameSync(temporary, folder);
    return true;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}
