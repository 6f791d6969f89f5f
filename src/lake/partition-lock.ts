import { join } from 'node:path';
import type { Logger } from '../stage.js';
import { type Lake, listFolder, removeEmpty, type TableName } from './lake.js';
import { RunLock } from './lock.js';

/**
 * Does `work` while no other run of ours writes the table of the partition.
 * @throws runError where another run is at work on it
 */
export async function withPartitionLock<T>(
  lake: Lake,
  table: TableName,
  partition: string,
  log: Logger,
  work: () => Promise<T>,
): Promise<T> {
  const folder = lake.unfinished(table, partition);
  try {
    const lock = RunLock.take(join(folder, 'whole.lock'), `the ${table} of partition ${partition}`, log);
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
 * @throws runError where another run is at work on it
 */
export async function withWholePartition<T>(
  lake: Lake,
  partition: string,
  log: Logger,
  work: () => Promise<T>,
): Promise<T> {
  const texts = lake.unfinished('texts', partition);
  const shards = listFolder(texts).flatMap((name) => /^(part-\d+-of-\d+)\.lock-\d+$/.exec(name)?.[1] ?? []);
  const held: RunLock[] = [];
  try {
    for (const shard of new Set(shards))
      held.push(RunLock.take(join(texts, `${shard}.lock`), `${shard} of partition ${partition}`, log));
    return await withPartitionLock(lake, 'texts', partition, log, () =>
      withPartitionLock(lake, 'features', partition, log, work),
    );
  } finally {
    for (const lock of held) lock.release();
    removeEmpty(texts, lake.root);
  }
}

/** Whether a name in a folder of unfinished work is that of a lock. */
export function isLock(name: string): boolean {
  return /\.lock-\d+$/.test(name);
}
