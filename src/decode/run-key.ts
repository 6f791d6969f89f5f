import { createHash } from 'node:crypto';
import type { DecodeConfig } from '../config/schema.js';
import { type CostTable, usualHost } from '../engine/cost-table.js';
import type { RunKey } from '../lake/kept-journal.js';
import type { Shard } from '../lake/shards.js';
import { packageVersion } from '../paths.js';
import { hashShare } from './rounds.js';

/** Whether a prompt belongs to a shard: decided by a hash of its id, not the one that decides its round. */
export function inShard(promptId: string, shard: Shard | undefined): boolean {
  if (shard === undefined) return true;
  return Math.floor(hashShare(`shard ${promptId}`) * shard.count) + 1 === shard.index;
}

export interface RunInputs {
  /** sha256 of the file of prompts. */
  prompts: string;
  /** sha256 over the model's files. */
  model: string;
  /** The weight type that is computed with, or asked for: `auto` too. */
  weights: string;
  tokenizer: string;
  poolVersion: string | null;
  decode: DecodeConfig;
  /** Longest n-gram of pools made between rounds. */
  maxLength: number;
  shard: Shard | undefined;
  /** What drafts are weighed by, where texts depend on it. */
  costs: CostTable | undefined;
}

/** Settings that change how fast texts are decoded, or what is done with them, and not the texts. */
const withoutEffect = new Set<keyof DecodeConfig>(['concurrency', 'maxFailedShare', 'verifyPools']);

/**
 * Everything that decides the rows of a run, by the names that a user knows. Rows of runs with equal keys may stand in
 * one table: an interrupted run goes on behind what is kept, and shards are joined, only then.
 */
export function runKey(inputs: RunInputs): RunKey {
  const { prompts, model, weights, tokenizer, poolVersion, decode, maxLength, shard, costs } = inputs;
  const inRounds = poolVersion === null && decode.mode !== 'autoregressive';
  const settings = Object.entries(decode)
    .filter(([name]) => !withoutEffect.has(name as keyof DecodeConfig) && (inRounds || name !== 'rounds'))
    .map(([name, value]) => [`decode.${name}`, JSON.stringify(value)]);
  return {
    'version of dare': packageVersion(),
    prompts,
    model,
    weights,
    tokenizer,
    pools: poolVersion ?? 'none',
    ...Object.fromEntries(settings),
    ...(inRounds ? { 'pools.maxLength': String(maxLength) } : {}),
    ...(costs === undefined ? {} : { 'cost table': costsKey(costs) }),
    ...(shard === undefined ? {} : { shard: `${shard.index}/${shard.count}` }),
  };
}

/** sha256 (hex) over a cost table. */
export function costsKey({
  batch,
  rows,
  milliseconds,
  padding = 0,
  host = usualHost,
  draft = 0,
}: CostTable): string {
  return createHash('sha256')
    .update(JSON.stringify([batch, rows, milliseconds, padding, host, draft]))
    .digest('hex');
}
