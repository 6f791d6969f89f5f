import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inputError } from '../errors.js';
import { type Lake, removeEmpty } from '../lake/lake.js';
import { RunLock } from '../lake/lock.js';
import { readManifest } from '../lake/manifest.js';
import {
  completeShards,
  firstRoundFile,
  readShard,
  removeShards,
  type Shard,
  type ShardContent,
  sharedKey,
} from '../lake/shards.js';
import { sortInto } from '../lake/sort.js';
import type { Logger } from '../stage.js';
import { addCounts, noCounts, type TableCounts } from './counts.js';
import { addStatistics, noStatistics, statisticsSchema } from './statistics.js';
import { releaseCosts } from './stored-costs.js';

/**
 * Joins the partition's finished shards into its texts table, and removes them. Returns how many there were.
 * @throws inputError where they aren't all there, don't belong together or are of an earlier version; runError while another run writes the table
 */
export async function joinShards(lake: Lake, partition: string, log: Logger): Promise<number> {
  const folder = lake.unfinished('texts', partition);
  if ((await completeShards(folder)) === undefined) return 0;
  const lock = RunLock.take(join(folder, 'whole.lock'), `the texts of partition ${partition}`, log);
  try {
    const shards = (await completeShards(folder)) ?? [];
    const [first] = shards;
    if (first === undefined) return 0;
    lake.prepare('texts', partition);
    const { counts: _, statistics: __, device: ___, concurrency, run, ...described } = first.metadata;
    const counts = noCounts();
    const statistics = noStatistics();
    for (const shard of shards) {
      const figures = figuresIn(shard, `Decode it again: dare decode --shard ${shard.run.shard}.`);
      addCounts(counts, figures.counts);
      addStatistics(statistics, figures.statistics);
    }
    const firstRound = firstRoundFile(folder);
    if (counts.firstRound > 0 && existsSync(firstRound)) {
      const again = 'Remove it, and join the shards again, which have its texts: dare publish.';
      addStatistics(statistics, figuresIn(await readShard(firstRound), again).statistics);
    }
    const manifest = {
      stage: 'decode',
      ...described,
      // each shard may have had another
      device: [...new Set(shards.map(({ metadata }) => metadata.device))].join('; '),
      concurrency,
      ...counts,
      statistics,
      run: sharedKey(first.run),
      shards: shards.map(({ metadata }) => metadata.counts),
    };
    const files = shards.map(({ file }) => file);
    await sortInto(files, lake.file('texts', partition), { metadata: described, manifest, ordered: true });
    removeShards(folder);
    return shards.length;
  } finally {
    lock.release();
    releaseCosts(folder);
    removeEmpty(folder, lake.root);
  }
}

/** The sums over a shard's rows. */
export function countsOf({ counts }: Record<string, unknown>): TableCounts {
  return countsSchema.parse(counts);
}

/** Whether a shard, or a first round, says all of its rows that is asked: those of an earlier version may not. */
export function hasFigures({ metadata }: ShardContent): boolean {
  return figuresSchema.safeParse(metadata).success;
}

function figuresIn({ file, metadata }: ShardContent, hint: string) {
  const { data, error } = figuresSchema.safeParse(metadata);
  if (data !== undefined) return data;
  const lacking = [...new Set(error.issues.map(({ path }) => path.join('.')))];
  throw inputError(
    `${file} is of another version of dare: it doesn't say ${lacking.join(', ')}`,
    hint,
    error,
  );
}

/** A shard that was joined into the table already, as the table's manifest has it. */
export async function joinedShard(
  lake: Lake,
  partition: string,
  { index, count }: Shard,
): Promise<ShardContent | undefined> {
  const manifest = joinedSchema.safeParse(await readManifest(lake.dir('texts', partition))).data;
  if (manifest === undefined || manifest.shards.length !== count) return undefined;
  const run = { ...manifest.run, shard: `${index}/${count}` };
  const metadata = { ...manifest, run, counts: manifest.shards[index - 1] };
  return { file: lake.file('texts', partition), run, metadata };
}

const countsSchema = z.object(
  Object.fromEntries(Object.keys(noCounts()).map((name) => [name, z.number()])) as Record<
    keyof TableCounts,
    z.ZodNumber
  >,
);
const figuresSchema = z.object({ counts: countsSchema, statistics: statisticsSchema });
const joinedSchema = z.looseObject({
  run: z.record(z.string(), z.string()),
  shards: z.array(countsSchema).min(1),
});
