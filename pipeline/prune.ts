import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/errors.js';
import { FreedBytes, findGarbage, findPublished } from '../src/lake/garbage.js';
import {
  allTableNames,
  fileError,
  type Lake,
  listFolder,
  removeEmpty,
  type TableName,
} from '../src/lake/lake.js';
import { changeOrigins } from '../src/lake/lineage.js';
import { LockHeld } from '../src/lake/lock.js';
import { checkWholePartition, isLock, withWholePartition } from '../src/lake/partition-lock.js';
import type { CommandResult, StageContext } from '../src/stage.js';

export interface PruneOptions {
  /** How many partitions stay. */
  keep?: number;
  /** Partitions whose names come before it go. */
  olderThan?: string;
  /** Tell, and remove nothing. */
  dryRun: boolean;
}

/** Does `work` on a partition. @throws LockHeld where a run is at work on it */
type WhileIdle = <T>(partition: string, work: () => T) => Promise<T>;

interface Removed {
  partition: string;
  tables: TableName[];
  bytes: number;
}

/**
 * Removes old partitions of all tables, and in any case what killed runs left. The last partition stays, and those that
 * a run is at work on. Tables that stay no longer name those that went as what they were made from: else they would be
 * stale.
 * @throws runError where something can't be removed, or a partition can't be locked for another reason than a run's
 */
export async function prune(context: StageContext, options: PruneOptions): Promise<CommandResult> {
  const { lake, log, signal } = context;
  const started = performance.now();
  const freed = new FreedBytes();
  const remove = (path: string): number => {
    signal.throwIfAborted();
    const bytes = freed.of(path);
    if (!options.dryRun) removePath(path);
    return bytes;
  };
  // nobody else is at work on the partition meanwhile; a dry run writes nothing, and so takes no lock
  const whileIdle: WhileIdle = async (partition, work) => {
    if (!options.dryRun) return await withWholePartition(lake, partition, log, async () => work());
    checkWholePartition(lake, partition);
    return work();
  };
  const partitions = [...new Set(allTableNames.flatMap((table) => lake.partitions(table)))].sort();
  const removed: Removed[] = [];
  const locked: string[] = [];
  const warnings: string[] = [];
  for (const partition of partitions.filter((name) => isOld(name, partitions, options))) {
    try {
      removed.push(await whileIdle(partition, () => removePartition(lake, partition, remove)));
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error;
      locked.push(partition);
      warnings.push(`the partition ${partition} stays: ${messageOf(error)}`);
    }
    if (!options.dryRun) for (const folder of foldersOf(lake, partition)) removeEmpty(folder, lake.root);
  }
  const gone = new Set(removed.map(({ partition }) => partition));
  if (!options.dryRun && gone.size > 0)
    await changeOrigins(lake, (name, fingerprint) =>
      gone.has(/ of (.+)$/.exec(name)?.[1] ?? '') ? undefined : fingerprint,
    );
  const garbage = findGarbage(lake).map((path) => ({ path, bytes: remove(path) }));
  for (const partition of partitions.filter((name) => !gone.has(name)))
    garbage.push(...(await removePublished(context, partition, whileIdle, remove)));
  const bytes = [...removed, ...garbage].reduce((sum, one) => sum + one.bytes, 0);
  return {
    stage: 'prune',
    dryRun: options.dryRun,
    removed,
    garbage,
    bytes,
    locked,
    seconds: (performance.now() - started) / 1000,
    warnings,
    summary: summaryOf(removed, garbage, bytes, options.dryRun),
  };
}

function isOld(name: string, partitions: readonly string[], { keep, olderThan }: PruneOptions): boolean {
  if (name === partitions.at(-1)) return false;
  if (keep !== undefined) return !partitions.slice(-keep).includes(name);
  return olderThan !== undefined && name < olderThan;
}

/** The tables from the last to the first: none is left without what it was made from. */
function removePartition(lake: Lake, partition: string, remove: (path: string) => number): Removed {
  const tables = allTableNames.filter((table) => lake.partitions(table).includes(partition));
  let bytes = 0;
  for (const table of [...allTableNames].reverse()) {
    bytes += remove(lake.dir(table, partition));
    bytes += remove(lake.earlier(table, partition));
    bytes += remove(lake.work(table, partition));
    const unfinished = lake.unfinished(table, partition);
    for (const name of listFolder(unfinished)) if (!isLock(name)) bytes += remove(join(unfinished, name));
  }
  return { partition, tables, bytes };
}

async function removePublished(
  { lake, log }: StageContext,
  partition: string,
  whileIdle: WhileIdle,
  remove: (path: string) => number,
): Promise<{ path: string; bytes: number }[]> {
  if (findPublished(lake, partition).length === 0) return [];
  try {
    return await whileIdle(partition, () =>
      findPublished(lake, partition).map((path) => ({ path, bytes: remove(path) })),
    );
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    // a run is at work on it: then it is no garbage
    log.debug({ err: error }, `what is kept for the partition ${partition} stays`);
    return [];
  }
}

function foldersOf(lake: Lake, partition: string): string[] {
  return allTableNames.flatMap((table) => [
    lake.dir(table, partition),
    lake.earlier(table, partition),
    lake.work(table, partition),
    lake.unfinished(table, partition),
  ]);
}

function removePath(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, 'it could not be removed', path);
  }
}

function summaryOf(
  removed: readonly Removed[],
  garbage: readonly { path: string; bytes: number }[],
  bytes: number,
  dryRun: boolean,
): string {
  const lines = [
    ...removed.map(
      ({ partition, tables, bytes: size }) => `${partition}: ${tables.join(', ')} (${mib(size)})`,
    ),
    ...garbage.map(({ path, bytes: size }) => `${path} (${mib(size)})`),
  ];
  const all = `${dryRun ? 'would be removed' : 'removed'}: ${removed.length} partitions, ${garbage.length} leftovers, ${mib(bytes)}`;
  return [...lines, all].join('\n');
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
