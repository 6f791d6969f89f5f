import type { Config } from '../src/config/schema.js';
import { type Lake, tableNames } from '../src/lake/lake.js';
import { readManifest } from '../src/lake/manifest.js';
import { originOf } from '../src/lake/origin.js';
import { statusTable } from '../src/report/status.js';
import type { CommandResult } from '../src/stage.js';
import { type Freshness, freshness } from './freshness.js';

export interface StatusOptions {
  config: Config;
  lake: Lake;
  /** All that the lake has, and the configuration's, if left out. */
  partition?: string | undefined;
}

/** `dare status`: each table of each partition, whether it is fresh, stale (and why) or missing. Changes nothing. */
export async function status({ config, lake, partition }: StatusOptions): Promise<CommandResult> {
  const found = tableNames.flatMap((table) => lake.partitions(table));
  const partitions =
    partition === undefined ? [...new Set([config.partition, ...found])].sort() : [partition];
  const tables: Freshness[] = [];
  for (const name of partitions) {
    for (const table of tableNames) {
      const own = await freshness(table, { config, lake, partition: name });
      tables.push(await withCauses(own, lake, tables));
    }
  }
  const count = (state: Freshness['state']) => tables.filter((table) => table.state === state).length;
  const counts = { fresh: count('fresh'), stale: count('stale'), missing: count('missing') };
  return { stage: 'status', lake: lake.root, ...counts, tables, warnings: [], summary: statusTable(tables) };
}

/**
 * A table made from a stale one of its partition is stale too: the stage before may give it something else. Other
 * partitions are history: what was made from them stays fresh until they are made again.
 */
async function withCauses(own: Freshness, lake: Lake, before: readonly Freshness[]): Promise<Freshness> {
  if (own.state === 'missing') return own;
  const stale = before.filter(({ partition, state }) => partition === own.partition && state === 'stale');
  if (stale.length === 0) return own;
  const manifest = (await readManifest(lake.dir(own.table, own.partition))) ?? {};
  const sources = Object.keys(originOf(manifest)?.tables ?? {});
  const causes = stale.filter(({ table }) => sources.includes(table));
  if (causes.length === 0) return own;
  return {
    ...own,
    state: 'stale',
    reasons: [...own.reasons, ...causes.map(({ table }) => `the table ${table} is stale`)],
  };
}
