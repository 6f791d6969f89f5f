import type { KeptSums } from '../lake/kept-texts.js';
import { type PoolKey, poolKey } from '../pool/builder.js';
import type { PoolSet } from '../pool/folder.js';
import type { Outcome } from './sequence.js';

/** Sums over the rows of a texts table. */
export interface TableCounts {
  rows: number;
  /** Rows that an earlier run finished; the others were decoded by this one. */
  resumed: number;
  /** Rows whose texts an earlier table had. The sums below are over the others. */
  takenOver: number;
  failed: number;
  /** Prompts whose cohort has no pool. */
  unknownCohort: number;
  rounds: number;
  outputTokens: number;
  /** What the steps emitted: output tokens, end tokens, the tokens of stop strings. */
  emittedTokens: number;
  decodeSteps: number;
  draftedTokens: number;
  acceptedTokens: number;
  relaxedTokens: number;
  nearTies: number;
  /** Nats. */
  divergence: number;
}

export function noCounts(): TableCounts {
  return {
    rows: 0,
    resumed: 0,
    takenOver: 0,
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
    divergence: 0,
  };
}

/** Adds the sums of another part of the table; both have the same rounds. */
export function addCounts(counts: TableCounts, more: TableCounts): void {
  for (const name of Object.keys(counts) as (keyof TableCounts)[]) counts[name] += more[name];
  counts.rounds = more.rounds;
}

/** Tokens a decode step of a text; null where none was decoded. */
export function perStep({ decodeSteps, emittedTokens }: TableCounts): number | null {
  return decodeSteps === 0 ? null : emittedTokens / decodeSteps;
}

/** Adds a text that was decoded. */
export function addOutcome(counts: TableCounts, outcome: Outcome): void {
  counts.outputTokens += outcome.outputIds.length;
  counts.emittedTokens += outcome.emittedTokens;
  counts.decodeSteps += outcome.decodeSteps;
  counts.draftedTokens += outcome.draftedTokens;
  counts.acceptedTokens += outcome.acceptedTokens;
  counts.relaxedTokens += outcome.relaxedTokens;
  counts.nearTies += outcome.nearTies;
  counts.divergence += outcome.divergence;
}

/** Adds the rows of a round that an earlier run finished. */
export function addKept(counts: TableCounts, sums: readonly KeptSums[], pools: PoolSet): void {
  for (const kept of sums) {
    counts.rows += kept.rows;
    if (kept.takenOver) {
      counts.takenOver += kept.rows;
      continue;
    }
    counts.resumed += kept.rows;
    counts.failed += kept.failed;
    counts.outputTokens += kept.outputTokens;
    counts.emittedTokens += kept.emittedTokens;
    counts.decodeSteps += kept.decodeSteps;
    counts.draftedTokens += kept.draftedTokens;
    counts.acceptedTokens += kept.acceptedTokens;
    counts.relaxedTokens += kept.relaxedTokens;
    counts.nearTies += kept.nearTies;
    counts.divergence += kept.divergence;
    if (lacksPool(pools, poolKey(kept.entityType, kept.cohort)))
      counts.unknownCohort += kept.rows - kept.failed;
  }
}

/** Whether there are pools, but none for this cohort. */
export function lacksPool(pools: PoolSet, key: PoolKey): boolean {
  return pools.version !== null && !pools.bytes.has(key);
}
