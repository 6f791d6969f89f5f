/** Places in an object store: `s3://bucket/key`, written as the store has them and not as URLs escape them. */
import { inputError } from '../errors.js';

export interface Location {
  bucket: string;
  /** Without a slash at its ends; empty for the bucket as a whole. */
  key: string;
}

/** Whether it begins with a scheme, as `s3://` or `https://`. */
export function isRemote(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path);
}

/** What is wrong with a remote path, behind `is ...; expected`: undefined where nothing is. */
export function locationProblem(path: string): string | undefined {
  const found = parse(path);
  return typeof found === 'string' ? found : undefined;
}

/** @throws inputError that says what was expected */
export function parseLocation(path: string): Location {
  const found = parse(path);
  if (typeof found !== 'string') return found;
  throw inputError(`${JSON.stringify(path)} is no place in an object store: expected ${found}`);
}

export function formatLocation({ bucket, key }: Location): string {
  return key === '' ? `s3://${bucket}` : `s3://${bucket}/${key}`;
}

/** A key below another; either may be empty. */
export function joinKeys(prefix: string, key: string): string {
  return prefix === '' || key === '' ? prefix + key : `${prefix}/${key}`;
}

/** Whether every part of a key can be the name of a file: objects of other kinds are never written to the disk. */
export function isSafeKey(key: string): boolean {
  return key.split('/').every(isSafePart);
}

/** The rules of AWS for new buckets. */
const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The location, or what was expected instead. */
function parse(path: string): Location | string {
  if (!path.startsWith('s3://')) return 's3://bucket/key: no other store or URL is read or written';
  const [bucket = '', ...parts] = path.slice('s3://'.length).split('/');
  if (!bucketName.test(bucket))
    return 's3://bucket/key with a bucket of 3 to 63 lower-case letters, digits, dots and dashes';
  if (parts.at(-1) === '') parts.pop();
  if (!parts.every(isSafePart))
    return 's3://bucket/key without empty parts, "." and "..", backslashes and control characters';
  if (parts.some((part) => /%[0-9a-f]{2}/i.test(part)))
    return 's3://bucket/key with the key as it is: escapes such as %20 are not undone';
  return { bucket, key: parts.join('/') };
}

function isSafePart(part: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return part !== '' && part !== '.' && part !== '..' && !/[\\\u0000-\u001f\u007f]/.test(part);
}
