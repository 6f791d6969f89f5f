/** Paths of the configuration: relative ones, and those that aren't on this machine. */
import { resolve } from 'node:path';
import { type KeyPath, type Problem, show, valueAt } from './describe.js';

/** Every key that holds a path, a glob or a list of them. */
const PATH_KEYS: readonly KeyPath[] = [
  ['lake'],
  ['inputs', 'items', 'path'],
  ['inputs', 'users', 'path'],
  ['inputs', 'ratings', 'path'],
  ['model', 'path'],
  ['model', 'cache'],
  ['prompts', 'templates'],
  ['pools', 'texts'],
];

/** What is expected in place of `s3://bucket/key` and the like: DuckDB reaches those only with an extension to download. */
export const LOCAL_PATH = 'a path on this machine: object stores and other URLs are not read or written';

/** Whether it begins with a scheme, as `s3://` or `https://`. */
export function isRemote(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path);
}

/** One problem for each key that holds a remote path. */
export function checkRemotePaths(raw: unknown): Problem[] {
  return PATH_KEYS.flatMap((path) => {
    const value = valueAt(raw, path);
    const remote = [value].flat().find((one) => typeof one === 'string' && isRemote(one));
    return remote === undefined ? [] : [{ path, message: `is ${show(remote)}; expected ${LOCAL_PATH}` }];
  });
}

/**
 * Makes the paths in `raw` absolute, in place. What isn't one (a wrong type, empty, remote) is left for validation.
 */
export function resolvePaths(raw: unknown, base: string): void {
  const absolute = (value: unknown) =>
    typeof value === 'string' && value !== '' && !isRemote(value) ? resolve(base, value) : value;
  for (const path of PATH_KEYS) {
    const parent = valueAt(raw, path.slice(0, -1));
    const key = path.at(-1);
    if (typeof parent !== 'object' || parent === null || key === undefined || !Object.hasOwn(parent, key))
      continue;
    const group = parent as Record<string | number, unknown>;
    const value = group[key];
    group[key] = Array.isArray(value) ? value.map(absolute) : absolute(value);
  }
}
