import { existsSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { inputError, messageOf } from '../errors.js';
import { Duck } from './duck.js';
import { fileError } from './file-error.js';
import { listFolder } from './folder.js';
import { differences, type RunKey } from './kept-journal.js';

/** One of `count` shares of a table, from 1. */
export interface Shard {
  index: number;
  count: number;
}

/** What a finished shard says of itself, in its own metadata: it can't be told apart from its rows. */
export interface ShardContent {
  file: string;
  /** What it was decoded from and how, `shard` included. */
  run: RunKey;
  /** All of the metadata. */
  metadata: Record<string, unknown>;
}

const metadataSchema = z.looseObject({ run: z.record(z.string(), z.string()) });

/** The file of a finished shard. */
export function shardFile(folder: string, shard: Shard): string {
  return join(folder, `${shardName(shard)}.parquet`);
}

/** What is kept of the first round of a table that is decoded in shards, until it is joined: its prompts and texts. */
export function firstRoundFolder(folder: string): string {
  return join(folder, 'first-round');
}

/** The texts of the first round, once they are finished. */
export function firstRoundFile(folder: string): string {
  return join(firstRoundFolder(folder), 'texts.parquet');
}

/** `part-2-of-5`, without an ending. */
export function shardName({ index, count }: Shard): string {
  return `part-${index}-of-${count}`;
}

/** Reads what a finished shard, or a first round, says of itself. @throws inputError for a file that isn't one, or isn't whole */
export async function readShard(file: string): Promise<ShardContent> {
  const duck = await Duck.open({ threads: 1 });
  try {
    const [row] = await duck.scriptRows('lake/metadata', { params: { file } });
    const metadata = metadataSchema.parse(JSON.parse(String(row?.value)));
    return { file, run: metadata.run, metadata };
  } catch (error) {
    throw inputError(
      `${file} is no whole shard: ${messageOf(error).split('\n')[0]}`,
      'Remove it, and decode the shard again.',
      error,
    );
  } finally {
    duck.close();
  }
}

/**
 * The finished shards of a folder in their order, if they are all of one table; undefined where there are none.
 * @throws inputError where some are missing, or where they don't belong together
 */
export async function completeShards(folder: string): Promise<ShardContent[] | undefined> {
  const found = listShards(folder);
  const [first] = found;
  if (first === undefined) return undefined;
  const { count } = first;
  const other = found.find((shard) => shard.count !== count);
  if (other !== undefined) {
    throw inputError(
      `${folder} holds shards of two sets: ${shardName(first)} and ${shardName(other)}`,
      'Remove those of the set that you gave up, and publish again.',
    );
  }
  const missing = Array.from({ length: count }, (_, i) => ({ index: i + 1, count })).filter(
    ({ index }) => !found.some((shard) => shard.index === index),
  );
  if (missing.length > 0) {
    throw inputError(
      `the table isn't whole: of ${count} shards in ${folder} there ${missing.length === 1 ? 'is' : 'are'} missing ` +
        missing.map(({ index }) => `${index}/${count}`).join(', '),
      `Decode them: ${missing.map(({ index }) => `dare decode --shard ${index}/${count}`).join(', ')}.`,
    );
  }
  const shards: ShardContent[] = [];
  for (const shard of found) shards.push(await readShard(shardFile(folder, shard)));
  checkSameRun(shards);
  return shards;
}

/** Whether there are finished shards that aren't joined yet. */
export function hasShards(folder: string): boolean {
  return listShards(folder).length > 0;
}

/** Removes the finished shards of a folder, and the first round that they were drafted from. */
export function removeShards(folder: string): void {
  const files = listShards(folder).map((shard) => shardFile(folder, shard));
  for (const path of [...files, firstRoundFolder(folder)]) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      throw fileError(error, 'the shard could not be removed', path);
    }
  }
}

/** A run's key without what makes the difference between shards. */
export function sharedKey({ shard, ...run }: RunKey): RunKey {
  return run;
}

/** The finished shards of a folder, by their names. */
export function listShards(folder: string): Shard[] {
  if (!existsSync(folder)) return [];
  return listFolder(folder)
    .flatMap((name) => {
      const match = /^part-(\d+)-of-(\d+)\.parquet$/.exec(name);
      return match === null ? [] : [{ index: Number(match[1]), count: Number(match[2]) }];
    })
    .sort((a, b) => a.count - b.count || a.index - b.index);
}

function checkSameRun([first, ...others]: readonly ShardContent[]): void {
  if (first === undefined) return;
  for (const other of others) {
    const differing = differences(sharedKey(first.run), sharedKey(other.run));
    if (differing.length === 0) continue;
    throw inputError(
      `${first.file} and ${basename(other.file)} don't belong together: they were decoded with ${differing.join(', ')}`,
      `Decode the older ones again with the same settings: dare decode --shard ${other.run.shard}, or ${first.run.shard}.`,
    );
  }
}
