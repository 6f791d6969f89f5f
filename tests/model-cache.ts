/** The folder for converted models and cost tables that tests of a run share. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** Names the folder that the runner makes for all test files of a run. */
export const sharedCache = 'DARE_TEST_CACHE';

/**
 * The runner's folder: converting the sample's model and measuring what its steps cost is enough once. A file that is run
 * alone has a folder of its own. What tests conversion or measuring itself doesn't belong here.
 */
export const cache = process.env[sharedCache] ?? ownCache();

function ownCache(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dare-cache-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Copies the cache as it is, without what other test files are writing there. */
export function copyCache(target: string): void {
  cpSync(cache, target, { recursive: true, filter: (file) => !/\.tmp(-|$)/.test(basename(file)) });
}
