import { mkdirSync, readdirSync } from 'node:fs';
import { codeOf, fileError } from './file-error.js';

/** Makes a folder and its parents. @throws runError that says why it can't. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw fileError(error, 'the folder could not be made', dir);
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
