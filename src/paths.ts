import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json: compiled code runs from dist/, queries and samples stay beside it. */
export const packageRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The folder of the user's cache that is ours: everything in it can be made or fetched again. */
export function userCache(): string {
  const { XDG_CACHE_HOME: base } = process.env;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'dare');
}

function findRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('package.json of dare was not found above its code');
  return findRoot(parent);
}
