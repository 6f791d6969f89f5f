import { DareError, inputError, messageOf, runError } from './errors.js';

/** System errors that say that something else is there, or nothing: trying again can't help. */
const wrong: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder, expected a file',
  ENOTDIR: 'a part of its path is a file, expected a folder',
};
const denied = /^E(ACCES|PERM)$/;

/**
 * What it means that something the user names couldn't be read: one sentence with what, where and why, and what to do.
 * Exit code 1 where the system failed or denied permission, else 2; a DareError passes unchanged.
 * @param what it is, with its path
 * @param hint what to do where it is missing, of another kind, or its content is wrong
 */
export function unreadable(error: unknown, what: string, hint: string): DareError {
  if (error instanceof DareError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (denied.test(code)) return noPermission(what, error);
  const why = wrong[code];
  if (why !== undefined) return inputError(`${what} can't be read: ${why}`, hint, error);
  // a code of Node's own is no failure of the system: text that isn't UTF-8
  const isSystem = /^E[A-Z0-9]+$/.test(code);
  const [message] = messageOf(error).split('\n');
  return (isSystem ? runError : inputError)(`${what} can't be read: ${message}`, hint, error);
}

/** @param what it is, with its path */
export function noPermission(what: string, error: unknown): DareError {
  return runError(
    `${what} can't be read: permission is denied`,
    'Give this user the right to read it, and to enter the folders that it is in.',
    error,
  );
}
