/** What manifests quote of those who are to be forgotten: warnings that name them, and texts of an evaluation. */
import type { Whom } from './forget.js';
import { allTableNames, type Lake } from './lake.js';
import { readManifest, writeManifest } from './manifest.js';

/**
 * Takes the warnings that name somebody out of the manifests of a partition, also where the table has no rows of them:
 * ratings of unknown users are warned of by an example. All others stay.
 */
export async function forgetWarnings(lake: Lake, partition: string, whom: Whom): Promise<void> {
  const folders = allTableNames.flatMap((table) => [
    lake.dir(table, partition),
    lake.earlier(table, partition),
  ]);
  for (const folder of folders) {
    const manifest = await readManifest(folder);
    const lastRun = manifest?.lastRun as { warnings?: string[] } | undefined;
    const warnings = lastRun?.warnings ?? [];
    const left = warnings.filter((warning) => !namesAny(warning, whom));
    if (left.length < warnings.length)
      await writeManifest(folder, { ...manifest, lastRun: { ...lastRun, warnings: left } });
  }
}

/**
 * Whether a warning of a stage names one of them. Stages write ids in two ways: quoted, where the sentence says whether it
 * is a user or an item (either counts), and in prompts' ids, `<framework>:<type>:<id>`. A number that equals an id is none.
 */
function namesAny(warning: string, { users, items }: Whom): boolean {
  const quoted = [...users, ...items].some((id) => warning.includes(`"${id}"`));
  return (
    quoted ||
    users.some((id) => hasPrompt(warning, `:user:${id}`)) ||
    items.some((id) => hasPrompt(warning, `:item:${id}`))
  );
}

/** Whether the end of a prompt's id occurs, and doesn't go on as a longer one. */
function hasPrompt(warning: string, end: string): boolean {
  for (let at = warning.indexOf(end); at !== -1; at = warning.indexOf(end, at + 1))
    if (!/^[\p{L}\p{N}]/u.test(warning.slice(at + end.length))) return true;
  return false;
}

/** What is looked at of a pair of texts (src/evaluate/pairs.ts). */
interface Pair {
  entityType?: string | null;
  entityId?: string | null;
}

/** Takes their pairs of texts out of the manifest of a partition's evaluation; its figures stay. Returns how many those were. */
export async function forgetPairs(lake: Lake, partition: string, { users, items }: Whom): Promise<number> {
  const folder = lake.dir('evaluation', partition);
  const manifest = await readManifest(folder);
  const pairs = (manifest?.pairs ?? []) as Pair[];
  const left = pairs.filter(({ entityType, entityId }) => {
    const ids = entityType === 'user' ? users : entityType === 'item' ? items : [];
    return !ids.includes(entityId ?? '');
  });
  if (left.length < pairs.length) await writeManifest(folder, { ...manifest, pairs: left });
  return pairs.length - left.length;
}
