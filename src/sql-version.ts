import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './paths.js';

/** sha256 (hex) over the queries in `sql/<folder>`. */
export function sqlVersion(folder: string): string {
  const hash = createHash('sha256');
  const path = join(packageRoot, 'sql', folder);
  const names = readdirSync(path).filter((name) => name.endsWith('.sql'));
  for (const name of names.sort())
    hash.update(JSON.stringify([name, readFileSync(join(path, name), 'utf8')]));
  return hash.digest('hex');
}
