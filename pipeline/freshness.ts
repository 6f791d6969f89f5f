/** Whether the tables that are there were made from what there is now. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { DareError } from '../src/errors.js';
import { isUnchanged } from '../src/lake/fingerprint.js';
import { withdrawnOrigin } from '../src/lake/generations.js';
import { manifestName, type TableName } from '../src/lake/lake.js';
import { type Manifest, readManifest } from '../src/lake/manifest.js';
import { differences, originOf, tableOf } from '../src/lake/origin.js';
import { hasShards } from '../src/lake/shards.js';
import type { StageResult } from '../src/stage.js';
import { type Place, sourcesOf } from './origins.js';
import { aboveLimits } from './quality.js';

export interface Freshness {
  table: TableName;
  partition: string;
  state: 'fresh' | 'stale' | 'missing';
  /** Why it is stale: one phrase each. */
  reasons: string[];
}

/** The table that each stage writes, in the order of the data's way. */
export const tableOfStage = {
  segment: 'cohorts',
  prompts: 'prompts',
  pools: 'pools',
  decode: 'texts',
  publish: 'features',
} as const satisfies Record<string, TableName>;
export type TableStage = keyof typeof tableOfStage;
/** The tables of the stages that a run has, and of those beside it. */
const allTables = { ...tableOfStage, evaluate: 'evaluation' } as const satisfies Record<string, TableName>;

/**
 * Whether the table of the partition is there and was made from what there is now. The tables that it is made from are
 * taken as they are.
 */
export async function freshness(table: TableName, place: Place): Promise<Freshness> {
  const { lake, partition } = place;
  const of = (state: Freshness['state'], reasons: string[]) => ({ table, partition, state, reasons });
  try {
    const manifest = await readManifest(lake.dir(table, partition));
    if (manifest === undefined || (table !== 'pools' && !existsSync(lake.file(table, partition))))
      return of('missing', []);
    const reasons = await staleness(table, place, manifest);
    if (reasons.length === 0) return of('fresh', []);
    return (await isWithdrawn(table, place, manifest)) ? of('fresh', [ROLLED_BACK]) : of('stale', reasons);
  } catch (error) {
    // an input that is missing or broken: the stage itself says it again, with a hint
    if (!(error instanceof DareError)) throw error;
    return of('stale', [error.message]);
  }
}

/** The result of a stage that needn't run, because its table is fresh. */
export async function skippedResult(
  stage: keyof typeof allTables,
  { lake, partition }: Place,
): Promise<StageResult> {
  const table = allTables[stage];
  const manifest = (await readManifest(lake.dir(table, partition))) ?? {};
  const rows = Number(manifest.rows ?? manifest.texts ?? 0);
  const files = table === 'pools' ? [] : [lake.file(table, partition)];
  return { stage, partition, rows, files, seconds: 0, warnings: [], skipped: true };
}

const ROLLED_BACK =
  'rolled back: the table that was made after it is withdrawn, and nothing that it was made from has changed since';

/** Whether what would be made now is the table that `dare rollback` took back: it stays so until something changes. */
async function isWithdrawn(table: TableName, place: Place, manifest: Manifest): Promise<boolean> {
  const withdrawn = withdrawnOrigin(manifest);
  if (withdrawn === undefined) return false;
  const record = tableOf(manifest);
  if (record === undefined || !(await isUnchanged(record, place.lake.file(table, place.partition))))
    return false;
  return (
    !shardsWait(table, place) && differences(withdrawn, (await sourcesOf(table, place)).origin).length === 0
  );
}

function shardsWait(table: TableName, { lake, partition }: Place): boolean {
  return table === 'features' && hasShards(lake.unfinished('texts', partition));
}

async function staleness(table: TableName, place: Place, manifest: Manifest): Promise<string[]> {
  const file = place.lake.file(table, place.partition);
  const record = tableOf(manifest);
  if (record !== undefined && !(await isUnchanged(record, file)))
    return [`${basename(file)} isn't the file that its ${manifestName} describes`];
  if (shardsWait(table, place)) return ['shards of the texts wait to be joined'];
  const made = originOf(manifest);
  if (made === undefined) return [`its ${manifestName} doesn't say what it was made from`];
  const differing = differences(made, (await sourcesOf(table, place)).origin);
  // a gate that was made stricter is asked again; a looser one lets the same texts pass
  const { quality: limits } = place.config.publish;
  return table === 'features' ? [...differing, ...aboveLimits(manifest.quality, limits)] : differing;
}
