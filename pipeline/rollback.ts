import { rollBack } from '../src/lake/generations.js';
import { removeEmpty } from '../src/lake/lake.js';
import { tableOf } from '../src/lake/origin.js';
import { withPartitionLock } from '../src/lake/partition-lock.js';
import type { StageContext, StageResult } from '../src/stage.js';

/**
 * Publishes the features that the partition had before its last publish, and keeps the withdrawn ones in their place:
 * rolling back again exchanges them once more. The texts stay as they are.
 * @throws inputError where publish has kept none
 */
export async function rollback({ lake, partition, log }: StageContext): Promise<StageResult> {
  const started = performance.now();
  lake.prepare('features', partition);
  const { published, withdrawn } = await withPartitionLock(lake, 'features', partition, log, () =>
    rollBack({ lake, table: 'features', partition }),
  ).finally(() => {
    // of a partition that isn't there
    removeEmpty(lake.dir('features', partition), lake.root);
  });
  const { rows, quality } = published;
  return {
    stage: 'rollback',
    partition,
    rows: Number(rows),
    files: [lake.file('features', partition)],
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    quality,
    sha256: tableOf(published)?.sha256,
    withdrawn: withdrawn && { sha256: tableOf(withdrawn)?.sha256, rows: withdrawn.rows },
  };
}
