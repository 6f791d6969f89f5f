import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { listFolder } from '../lake/folder.js';
import { parseKey } from './layout.js';

/** Keys of the files at or below a key of a working copy that travel; none where there is nothing. */
export function filesBelow(root: string, key: string): string[] {
  const stats = lstatSync(join(root, key), { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (stats.isFile()) return parseKey(key) === undefined ? [] : [key];
  if (!stats.isDirectory()) return [];
  return listFolder(join(root, key)).flatMap((name) => filesBelow(root, `${key}/${name}`));
}
