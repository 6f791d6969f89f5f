import { closeSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { inputError } from '../errors.js';
import { codeOf, fileError } from './file-error.js';
import { makeFolder } from './folder.js';

/**
 * Makes sure that a file that an option names can be written and is none of somebody else's: a mistyped path must not cost a
 * table. Makes it, empty, with its folders, where it isn't there.
 * @param begins what files of this kind begin with
 * @param is what is wrong with another, behind its name: `is no trace`
 * @throws inputError where it begins otherwise or is a folder; runError with `failure` where it can't be opened for writing
 */
export function refuseForeign(
  option: string,
  file: string,
  { begins, is, failure }: { begins: string; is: string; failure: string },
): void {
  makeFolder(dirname(file));
  const start = Buffer.alloc(Buffer.byteLength(begins));
  let length: number;
  try {
    const handle = openSync(file, 'a+');
    try {
      length = readSync(handle, start, 0, start.length, 0);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (codeOf(error) === 'EISDIR') throw inputError(`${option} ${file} is a folder, expected a file`);
    throw fileError(error, failure, file);
  }
  if (length > 0 && start.toString('utf8') !== begins)
    throw inputError(`${option} ${file} is there, and ${is}`, 'Name a new file, or remove it.');
}
