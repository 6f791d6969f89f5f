import { join } from 'node:path';
import type { Logger } from '../stage.js';
import { type Lake, listFolder, removeEmpty, type TableName } from './lake.js';
import { RunLock } from './lock.js';

/**
 * Does `work` while no other run of ours writes the table of the partition.
 * @throws LockHeld where another run is at work on it; runError where the lock can't be made
 */
export async function withPartitionLock<T>(
  lake: Lake,
  table: TableName,
  partition: string,
  log: Logger,
  work: () => Promise<T>,
): Promise<T> {
  const { folder, path, what } = tableLock(lake, table, partition);
  try {
    const lock = RunLock.take(path, what, log);
    try {
      return await work();
    } finally {
      lock.release();
    }
  } finally {
    removeEmpty(folder, lake.root);
  }
}

/**
 * Does `work` while no other run of ours decodes or publishes in the partition, shards included.
 * @throws LockHeld where another run is at work on it; runError where the lock can't be made
 */
export async function withWholePartition<T>(
  lake: Lake,
  partition: string,
  log: Logger,
  work: () => Promise<T>,
): Promise<T> {
  const held: RunLock[] = [];
  try {
    for (const { path, what } of shardLocks(lake, partition)) held.push(RunLock.take(path, what, log));
    return await withPartitionLock(lake, 'texts', partition, log, () =>
      withPartitionLock(lake, 'features', partition, log, work),
    );
  } finally {
    for (const lock of held) lock.release();
    removeEmpty(lake.unfinished('texts', partition), lake.root);
  }
}

/**
 * Looks whether `withWholePartition` would be refused, and writes nothing.
 * @throws LockHeld where another run is at work on the partition
 */
export function checkWholePartition(lake: Lake, partition: string): void {
  const tables = (['texts', 'features'] as const).map((table) => tableLock(lake, table, partition));
  for (const { path, what } of [...shardLocks(lake, partition), ...tables]) RunLock.check(path, what);
}

function tableLock(lake: Lake, table: TableName, partition: string) {
  const folder = lake.unfinished(table, partition);
  return { folder, path: join(folder, 'whole.lock'), what: `the ${table} of partition ${partition}` };
}

/** Of the shards that have one: what it guards, and where it is. */
function shardLocks(lake: Lake, partition: string): { path: string; what: string }[] {
  const texts = lake.unfinished('texts', partition);
  const shards = listFolder(texts).flatMap((name) => /^(part-\d+-of-\d+)\.lock-\d+$/.exec(name)?.[1] ?? []);
  return [...new Set(shards)].map((shard) => ({
    path: join(texts, `${shard}.lock`),
    what: `${shard} of partition ${partition}`,
  }));
}

/** Whether a name in a folder of unfinished work is that of a lock. */
export function isLock(name: string): boolean {
  return /\.lock-\d+$/.test(name);
}
