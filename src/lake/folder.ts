import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, fileError } from './file-error.js';

/** Makes a folder and its parents. @throws runError that says why it can't. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
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
