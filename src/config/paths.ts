/** Paths of the configuration: relative ones, and those that aren't on this machine. */
import { resolve } from 'node:path';
import { isGlob } from '../store/glob.js';
import { isRemote, locationProblem } from '../store/location.js';
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
  ['storage', 'workingCopy'],
];

/** Keys whose paths may be in an object store. */
const STORED: readonly string[] = [
  'lake',
  'inputs.items.path',
  'inputs.users.path',
  'inputs.ratings.path',
  'pools.texts',
];

/** What is expected in place of `s3://bucket/key` where object stores aren't read. */
export const LOCAL_PATH = 'a path on this machine: object stores are for lake, inputs and pools.texts';

/** One problem for each key that holds a remote path which can't be read or written. */
export function checkRemotePaths(raw: unknown): Problem[] {
  return PATH_KEYS.flatMap((path) => {
    for (const one of [valueAt(raw, path)].flat()) {
      if (typeof one !== 'string' || !isRemote(one)) continue;
      const expected = remoteProblem(path.join('.'), one);
      if (expected !== undefined) return [{ path, message: `is ${show(one)}; expected ${expected}` }];
    }
    return [];
  });
}

function remoteProblem(key: string, path: string): string | undefined {
  if (key === 'model.path') return `${LOCAL_PATH}. Copy the model to this machine first`;
  if (!STORED.includes(key)) return LOCAL_PATH;
  const problem = locationProblem(path);
  if (problem !== undefined) return problem;
  return key === 'lake' && isGlob(path) ? 's3://bucket/key without *, ? and brackets' : undefined;
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
