import type { KeptSums } from '../lake/kept-texts.js';
import { type PoolKey, poolKey } from '../pool/builder.js';
import type { PoolSet } from '../pool/folder.js';
import type { DecodeSums } from '../stage.js';
import type { Outcome } from './sequence.js';

/** Sums over the rows of a texts table. Those of steps and tokens are over the rows that weren't taken over. */
export interface TableCounts extends DecodeSums {
  /** Rows that an earlier run finished; the others were decoded by this one. */
  resumed: number;
  /** Rows whose texts an earlier table had. */
  takenOver: number;
  /** Rows that were decoded in the first round before the shards. */
  firstRound: number;
  /** Prompts whose cohort has no pool. */
  unknownCohort: number;
  rounds: number;
  nearTies: number;
  /** Texts that ended where the model's context was full. */
  cutByContext: number;
}

/** Sums that every decoded text adds to. */
const ofTexts = [
  'emittedTokens',
  'decodeSteps',
  'draftedTokens',
  'acceptedTokens',
  'relaxedTokens',
  'nearTies',
  'divergence',
] as const;

export function noCounts(): TableCounts {
  return {
    rows: 0,
    resumed: 0,
    takenOver: 0,
    firstRound: 0,
    failed: 0,
    unknownCohort: 0,
    rounds: 0,
    outputTokens: 0,
    emittedTokens: 0,
    decodeSteps: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    relaxedTokens: 0,
    nearTies: 0,
    cutByContext: 0,
    divergence: 0,
  };
}

/** Adds the sums of another part of the table: of its rounds the parts may have all or the last. */
export function addCounts(counts: TableCounts, more: TableCounts): void {
  const rounds = Math.max(counts.rounds, more.rounds);
  for (const name of Object.keys(counts) as (keyof TableCounts)[]) counts[name] += more[name];
  counts.rounds = rounds;
}

/** Tokens a decode step of a text; null where none was decoded. */
export function perStep({ decodeSteps, emittedTokens }: TableCounts): number | null {
  return decodeSteps === 0 ? null : emittedTokens / decodeSteps;
}

/** Adds a text that was decoded. */
export function addOutcome(counts: TableCounts, outcome: Outcome): void {
  counts.outputTokens += outcome.outputIds.length;
  if (outcome.finishReason === 'context') counts.cutByContext++;
  for (const name of ofTexts) counts[name] += outcome[name];
}

/** Adds rows that are kept: of earlier tables, of the first round before this run, or of a round that an earlier run finished. */
export function addKept(counts: TableCounts, sums: readonly KeptSums[], pools: PoolSet): void {
  for (const kept of sums) {
    counts.rows += kept.rows;
    if (kept.takenOver) {
      counts.takenOver += kept.rows;
      continue;
    }
    counts.failed += kept.failed;
    counts.outputTokens += kept.outputTokens;
    counts.cutByContext += kept.cutByContext;
    for (const name of ofTexts) counts[name] += kept[name];
    if (kept.firstRound) {
      counts.firstRound += kept.rows;
      continue;
    }
    counts.resumed += kept.rows;
    if (lacksPool(pools, poolKey(kept.entityType, kept.cohort)))
      counts.unknownCohort += kept.rows - kept.failed;
  }
}

/** Whether there are pools, but none for this cohort. */
export function lacksPool(pools: PoolSet, key: PoolKey): boolean {
  return pools.version !== null && !pools.bytes.has(key);
}
