/** What killed runs left in a lake, and what things there take on the disk. */
import { lstatSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { allTableNames, findStale, type Lake, listFolder } from './lake.js';
import { isLock } from './partition-lock.js';

const day = 24 * 3600 * 1000;

/** Bytes that become free when files are removed: one with several links counts with the last of them. */
export class FreedBytes {
  private readonly links = new Map<number, number>();

  /** Of a file, or of a folder with all in it. */
  of(path: string): number {
    let sum = 0;
    for (const stats of below(path)) {
      if (!stats.isFile()) continue;
      const left = (this.links.get(stats.ino) ?? stats.nlink) - 1;
      this.links.set(stats.ino, left);
      if (left === 0) sum += stats.size;
    }
    return sum;
  }
}

/** Temporary files and folders of runs that are gone, and scratch that nobody has touched for a day. */
export function findGarbage(lake: Lake): string[] {
  const stale = [...allTableNames, '_unfinished', '_earlier'].flatMap((name) =>
    staleBelow(join(lake.root, name)),
  );
  const work = allTableNames.flatMap((table) => {
    const folder = join(lake.root, '_work', table);
    return listFolder(folder).map((name) => join(folder, name));
  });
  return [...stale, ...work.filter((path) => Date.now() - lastChange(path) > day)];
}

/**
 * Finished texts, shards and the like that are kept for a partition though its table was published after them. While
 * nobody else is at work on it.
 */
export function findPublished(lake: Lake, partition: string): string[] {
  const table = statSync(lake.file('texts', partition), { throwIfNoEntry: false });
  if (table === undefined) return [];
  const folder = lake.unfinished('texts', partition);
  return listFolder(folder)
    .filter((name) => !isLock(name))
    .map((name) => join(folder, name))
    .filter((path) => lastChange(path) < table.mtimeMs);
}

function staleBelow(folder: string): string[] {
  const stale = findStale(folder);
  const folders = entries(folder).filter((path) => !stale.includes(path) && lstatSync(path).isDirectory());
  return [...stale, ...folders.flatMap(staleBelow)];
}

/** The latest change of a file, or of anything in a folder. Milliseconds since 1970. */
function lastChange(path: string): number {
  return Math.max(...below(path).map(({ mtimeMs }) => mtimeMs));
}

/** Of what is at a path, and of all below it; nothing for what has just gone. */
function below(path: string): Stats[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  return stats.isDirectory() ? [stats, ...entries(path).flatMap(below)] : [stats];
}

function entries(folder: string): string[] {
  return listFolder(folder).map((name) => join(folder, name));
}
