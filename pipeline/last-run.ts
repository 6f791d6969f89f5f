/** What a stage's run was like: how long it took, what it warned of. The table doesn't depend on it, the report shows it. */
import type { Comparison } from '../src/decode/compare.js';
import { DareError } from '../src/errors.js';
import { readManifest, writeManifest } from '../src/lake/manifest.js';
import type { StageResult } from '../src/stage.js';
import type { DecodePhases } from './decode-job.js';
import { type TableStage, tableOfStage } from './freshness.js';
import type { Place } from './origins.js';

/** Stands in the manifest of the table under `lastRun`. */
export interface LastRun {
  seconds: number;
  warnings: string[];
  /** Of decode: where the seconds went. */
  phases?: DecodePhases;
  /** Of decode within `dare run`. */
  comparison?: Comparison;
}

/**
 * Writes into the manifest of the table that a stage has written what its run was like. Shards have no manifest. The
 * table is published by now: where the note can't be written the result gets a warning.
 */
export async function noteRun(
  stage: TableStage,
  result: StageResult,
  { lake, partition }: Place,
): Promise<StageResult> {
  if (result.skipped === true || 'shard' in result) return result;
  const dir = lake.dir(tableOfStage[stage], partition);
  const { seconds, warnings, phases, comparison } = result as StageResult & Partial<LastRun>;
  const lastRun: LastRun = {
    seconds,
    warnings,
    ...(phases === undefined ? {} : { phases }),
    ...(comparison === undefined ? {} : { comparison }),
  };
  try {
    const manifest = await readManifest(dir);
    if (manifest !== undefined) await writeManifest(dir, { ...manifest, lastRun });
    return result;
  } catch (error) {
    if (!(error instanceof DareError)) throw error;
    const unknown = `the report won't know how long ${stage} took: ${error.message}`;
    return { ...result, warnings: [...warnings, unknown] };
  }
}
