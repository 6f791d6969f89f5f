/** Relative paths of the configuration. */
import { resolve } from 'node:path';
import { type KeyPath, valueAt } from './describe.js';

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

/** Makes the paths in `raw` absolute, in place. What isn't a path (a wrong type, empty) is left for validation. */
export function resolvePaths(raw: unknown, base: string): void {
  const absolute = (value: unknown) =>
    typeof value === 'string' && value !== '' ? resolve(base, value) : value;
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
