import { join } from 'node:path';
import type { Logger } from '../stage.js';
import { type Lake, removeEmpty, type TableName } from './lake.js';
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
