import { generationFolders } from './generations.js';
import { allTableNames, type Lake } from './lake.js';
import { type Manifest, readManifest, writeManifest } from './manifest.js';

/** `texts of 2026-10-01` and its fingerprint -> the fingerprint that it has now; undefined: it is no longer named. */
export type OriginChange = (name: string, fingerprint: string | null) => string | null | undefined;

/**
 * Changes what the manifests of all tables, and of kept generations, say of the tables that theirs were made from: for
 * changes that leave those as good as they were.
 */
export async function changeOrigins(lake: Lake, change: OriginChange): Promise<void> {
  const tables = allTableNames.flatMap((table) =>
    lake.partitions(table).map((name) => lake.dir(table, name)),
  );
  for (const dir of [...tables, ...generationFolders(lake)]) {
    const manifest = await readManifest(dir);
    if (manifest === undefined) continue;
    const changed = withOrigin(manifest, change);
    if (isGroup(changed.rolledBack)) changed.rolledBack = withOrigin(changed.rolledBack, change);
    if (JSON.stringify(changed) !== JSON.stringify(manifest)) await writeManifest(dir, changed);
  }
}

function withOrigin(manifest: Manifest, change: OriginChange): Manifest {
  const { origin } = manifest;
  if (!isGroup(origin) || !isGroup(origin.tables)) return { ...manifest };
  const tables = Object.entries(origin.tables as Record<string, string | null>).flatMap(([name, old]) => {
    const now = change(name, old);
    return now === undefined ? [] : [[name, now]];
  });
  return { ...manifest, origin: { ...origin, tables: Object.fromEntries(tables) } };
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
