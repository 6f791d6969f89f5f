/** Files of a working copy that have changed -> objects. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { runError } from '../errors.js';
import type { Logger } from '../stage.js';
import { filesBelow } from './files.js';
import { isList, type LakeKey, parseKey, rankOf, travellingFolders } from './layout.js';
import { joinKeys } from './location.js';
import type { MirrorPlace } from './mirror.js';
import { type Synchronised, stampOf } from './synchronised.js';

/** Files that are written at the same time: parts of each are in memory. */
const together = 4;

interface ChangedFile {
  key: string;
  place: LakeKey;
  stamp: string;
  size: number;
}

/**
 * Writes what has changed: what is listed before its list, so that a reader, and whoever meets the lake after this process
 * was killed, finds the old or the new of each object, and a list that tells whether the others are those that it lists.
 * Removes at last what has vanished.
 * @param confirm makes sure that it is still this process that may write; asked again before each kind of objects
 * @returns how many objects were written and removed
 */
export async function push(
  { store, prefix, root }: MirrorPlace,
  known: Synchronised,
  prefixes: readonly string[],
  last: string | undefined,
  confirm: () => Promise<void>,
  log: Logger,
): Promise<number> {
  // what somebody removed as a whole is no work of a stage
  if (known.objects.size > 0 && !existsSync(root))
    throw runError(
      `the working copy of ${store.url(prefix)} was removed meanwhile`,
      'Run again: it is brought anew.',
    );
  const changed = changedFiles(root, known, prefixes);
  const gone = vanished(root, known, prefixes);
  const rank = ({ key, place }: ChangedFile) =>
    rankOf(place) + (last !== undefined && key.startsWith(last) ? 100 : 0);
  const limit = pLimit(together);
  const write = async ({ key, stamp, size, place }: ChangedFile) => {
    // a journal grows, and what it says later may list what isn't taken yet
    const bytes = isList(place) && place.area === '_unfinished' ? size : undefined;
    const etag = await store.upload(joinKeys(prefix, key), join(root, key), known.writer(stamp), bytes);
    if (etag !== undefined) known.objects.set(key, { etag, stamp });
  };
  for (const { key, stamp } of changed)
    known.objects.set(key, { etag: '', stamp: '', ...known.objects.get(key), sending: stamp });
  if (changed.length > 0) await known.write();
  for (const next of [...new Set(changed.map(rank))].sort((a, b) => a - b)) {
    const some = changed.filter((file) => rank(file) === next);
    await confirm();
    const ended = await Promise.allSettled(some.map((file) => limit(() => write(file))));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }
  if (gone.length > 0) await confirm();
  await Promise.all(
    gone.map((key) =>
      limit(async () => {
        await store.remove(joinKeys(prefix, key));
        known.objects.delete(key);
      }),
    ),
  );
  const url = store.url(prefix);
  if (changed.length > 0) {
    const bytes = changed.reduce((sum, { size }) => sum + size, 0);
    log.info({ objects: changed.length, bytes }, `${objectsAre(changed.length)} written to ${url}`);
  }
  if (gone.length > 0) log.info({ objects: gone.length }, `${objectsAre(gone.length)} removed from ${url}`);
  return changed.length + gone.length;
}

export function objectsAre(count: number): string {
  return count === 1 ? 'one object is' : `${count} objects are`;
}

/** Keys of objects whose files are gone. */
export function vanished(root: string, known: Synchronised, prefixes: readonly string[]): string[] {
  return [...known.objects.keys()].filter(
    (key) => prefixes.some((one) => key.startsWith(one)) && stampOf(join(root, key)) === undefined,
  );
}

/** Lists are looked at first: what they say by then is there when the others are looked at. */
export function changedFiles(root: string, known: Synchronised, prefixes: readonly string[]): ChangedFile[] {
  const keys = (prefixes.includes('') ? travellingFolders : prefixes).flatMap((prefix) =>
    filesBelow(root, prefix.replace(/\/$/, '')),
  );
  const files = [...new Set(keys)].map((key) => ({ key, place: parseKey(key) as LakeKey }));
  files.sort((a, b) => Number(isList(b.place)) - Number(isList(a.place)));
  return files.flatMap(({ key, place }) => {
    const found = stampOf(join(root, key));
    return found === undefined || known.objects.get(key)?.stamp === found.stamp
      ? []
      : [{ key, place, ...found }];
  });
}
