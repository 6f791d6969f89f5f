import { DareError, messageOf, runError } from '../errors.js';

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
    code: 'ENOENT',
    text: 'No such file or directory',
    why: 'the file or its folder is not there',
    hint: 'Was the folder removed in the meantime? Make it again, or choose another one.',
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

/** The code of a system error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
