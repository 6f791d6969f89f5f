import { existsSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../src/config/schema.js';
import { addCounts, noCounts, perStep } from '../src/decode/counts.js';
import { countsOf, joinShards } from '../src/decode/join.js';
import { Duck } from '../src/lake/duck.js';
import { makeFolder, removeEmpty, removeStale, replaceFile } from '../src/lake/lake.js';
import { firstRoundFile, firstRoundFolder, readShard } from '../src/lake/shards.js';
import { hasPools } from '../src/pool/folder.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { type DecodeJob, decodeJob, isDecoded, locked } from './decode-job.js';
import { partitionJob, promptsOf } from './partition-job.js';
import { firstRoundPools } from './pools.js';
import { runShards } from './shard-processes.js';

/** How many processes decode a partition on this machine. */
export function shardsOf({ decode, model }: Config): number {
  return decode.shards ?? model.adapters?.length ?? 1;
}

/**
 * Decodes a partition in shards, a process each, and joins them into its texts table. Without earlier texts a first round
 * is decoded before, and its texts make the pools that the shards draft from.
 * @returns undefined where there are too few prompts for a first round: they are decoded without shards
 * @throws as `runShards` does
 */
export async function decodeInShards(context: StageContext): Promise<StageResult | undefined> {
  const { config, lake, partition, log } = context;
  const started = performance.now();
  const count = shardsOf(config);
  const { mode } = config.decode;
  promptsOf(context);
  let newTexts = 0;
  // the shards' processes load pools, this one doesn't
  if (mode !== 'autoregressive' && !(await hasPools(lake.dir('pools', partition)))) {
    const decoded = await decodeFirstRound(await partitionJob(context), context);
    if (decoded === undefined) return undefined;
    newTexts = decoded;
  }
  const results = await runShards(context, count, threadsOf(config, count));
  await joinShards(lake, partition, log);
  const counts = noCounts();
  for (const result of results) addCounts(counts, countsOf({ counts: result }));
  counts.resumed += counts.firstRound - newTexts;
  const [first] = results;
  return {
    stage: 'decode',
    partition,
    mode,
    shards: count,
    poolVersion: first?.poolVersion,
    ...counts,
    tokensPerStep: perStep(counts),
    files: [lake.file('texts', partition)],
    seconds: (performance.now() - started) / 1000,
    warnings: results.flatMap(({ warnings = [] }) => warnings),
    skipped: results.every(({ skipped }) => skipped === true),
  };
}

/** Several processes on the CPU share its cores, unless the configuration says how many threads each has. */
function threadsOf({ model }: Config, count: number): string[] {
  if (model.adapters !== undefined || model.threads !== undefined) return [];
  return ['--set', `model.threads=${Math.max(1, Math.floor(availableParallelism() / count))}`];
}

/**
 * Decodes the share of prompts that the first round of a run without shards would have, and makes the partition's pools of
 * their texts. Shards take the texts over, and weigh drafts by its cost table. Stopped, it goes on where it was.
 * @returns how many texts it has decoded now; undefined where no prompt is among them
 */
async function decodeFirstRound(partition: DecodeJob, context: StageContext): Promise<number | undefined> {
  const { config } = partition;
  const folder = firstRoundFolder(partition.unfinished);
  const prompts = join(folder, 'prompts.parquet');
  const out = firstRoundFile(partition.unfinished);
  makeFolder(folder);
  removeStale(folder);
  const { first } = config.decode.rounds;
  if ((await choosePrompts(partition.prompts, prompts, first)) === 0) {
    context.log.info({}, 'too few prompts for a first round: they are decoded without shards');
    rmSync(folder, { recursive: true });
    removeEmpty(partition.unfinished, partition.top);
    return undefined;
  }
  const { sources: _, ...job } = partition;
  // all of these prompts are one round
  const decode = { ...config.decode, rounds: { ...config.decode.rounds, first: 1 } };
  const what = `the first round of ${partition.what}`;
  const round = { ...job, prompts, out, what, isFirstRound: true, config: { ...config, decode } };
  context.log.info({}, `${what}: its texts make the pools that the shards draft from`);
  const decoded = await locked(round, context, async () => {
    if (existsSync(out) && (await isDecoded(round, await readShard(out)))) return 0;
    const { rows, failed, resumed, takenOver } = (await decodeJob(round, context)).result.counts;
    return rows - failed - resumed - takenOver;
  });
  await firstRoundPools(context, [out], true);
  return decoded;
}

/** Writes the prompts whose hash lies in the first share. Returns how many there are. */
async function choosePrompts(from: string, to: string, share: number): Promise<number> {
  const duck = await Duck.open();
  try {
    let rows = 0;
    await replaceFile(to, 'the prompts of the first round could not be written', async (copy) => {
      const [copied] = await duck.scriptRows('lake/first-round', { params: { from, copy, share } });
      rows = Number(copied?.Count);
    });
    return rows;
  } finally {
    duck.close();
  }
}
