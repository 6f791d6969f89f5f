import { statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { fingerprintFile } from '../lake/fingerprint.js';
import { listFolder } from '../lake/lake.js';
import { poolKey, sharedKey } from './builder.js';
import { readPoolFile, verifyPool } from './file.js';
import { type PoolEntry, readPoolList, setVersion } from './folder.js';

export interface PoolFault {
  /** Path of the file, or of the folder for what no file alone can tell. */
  file: string;
  /** What is wrong with it. */
  fault: string;
}

export interface VerifiedPools {
  /** How many the manifest lists. */
  pools: number;
  version: string | null;
  faults: PoolFault[];
  /** Pool files that the manifest doesn't list: left by a build that was killed, no reader looks at them. */
  unlisted: string[];
}

/**
 * Checks every pool of a folder: its size, its checksum, its structure, and that it is what the manifest says.
 * @param advance called after every pool
 * @throws inputError for a folder without pools
 */
export async function verifyPools(dir: string, advance: () => void): Promise<VerifiedPools> {
  const { pools, version } = await readPoolList(dir);
  const faults: PoolFault[] = [];
  for (const entry of pools) {
    const fault = await faultOf(dir, entry);
    if (fault !== undefined) faults.push({ file: join(dir, entry.file), fault });
    advance();
  }
  const fault = faultOfList(pools, version);
  if (fault !== undefined) faults.push({ file: dir, fault });
  const listed = new Set(pools.map(({ file }) => file));
  const unlisted = listFolder(dir).filter((name) => name.endsWith('.arrow') && !listed.has(name));
  return { pools: pools.length, version, faults, unlisted };
}

async function faultOf(dir: string, entry: PoolEntry): Promise<string | undefined> {
  const path = join(dir, entry.file);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'is missing';
  if (!stats.isFile()) return 'is no file';
  if (stats.size !== entry.size) return `has ${stats.size} bytes, not the ${entry.size} that were written`;
  try {
    if ((await fingerprintFile(path)) !== entry.sha256) return "was changed: its sha256 isn't the manifest's";
    const metadata = verifyPool(readPoolFile(path), path);
    const differing = (['tokenizer', 'entityType', 'cohort', 'documents', 'tokens', 'version'] as const).find(
      (name) => metadata[name] !== entry[name],
    );
    if (differing === undefined) return undefined;
    return `is another pool than the manifest says: its ${differing} is ${JSON.stringify(metadata[differing])}`;
  } catch (error) {
    return messageOf(error).replace(`${path} `, '');
  }
}

function faultOfList(pools: readonly PoolEntry[], version: string | null): string | undefined {
  const keys = pools.map(({ entityType, cohort }) => poolKey(entityType, cohort));
  if (new Set(keys).size < keys.length) return 'its manifest lists two pools of one cohort';
  if (keys.length > 0 && !keys.includes(sharedKey)) return 'its manifest lists no shared pool';
  return version === setVersion(pools) ? undefined : "its manifest's version isn't that of its pools";
}
