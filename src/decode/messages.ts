/** What the main thread and the decoding thread say to each other. */
import type { CostTable } from '../engine/cost-table.js';
import type { EngineOptions } from '../engine/open.js';
import type { ThreadError } from '../errors.js';
import type { PoolKey } from '../pool/builder.js';
import type { DecodeRules, Outcome, SequenceRequest } from './sequence.js';
import type { LoopStatistics } from './statistics.js';

/** `workerData` of the decoding thread. */
export interface WorkerOptions {
  engine: EngineOptions;
  vocabulary: number;
  endTokens: readonly number[];
}

/** The cost table that rows of drafts are weighed by. */
export interface CostsInUse {
  table: CostTable;
  /** Where it is from: given, or the file of the model cache that holds what was measured, earlier or now. */
  source: 'given' | 'cached' | 'measured';
  file?: string;
}

export type ToWorker =
  | { type: 'settings'; settings: DecodeRules; costs?: CostTable }
  | { type: 'costs'; id: number }
  | { type: 'pools'; pools: ReadonlyMap<PoolKey, SharedArrayBuffer> }
  | { type: 'decode'; id: number; request: SequenceRequest; cohort: PoolKey }
  | { type: 'statistics'; id: number }
  | { type: 'stop' };

export type FromWorker =
  | { type: 'ready'; context: number; slots: number; fingerprint: string; device: string; weights: string }
  | { type: 'done'; id: number; outcome: Outcome }
  | { type: 'costs'; id: number; costs: CostsInUse | undefined }
  | { type: 'statistics'; id: number; statistics: LoopStatistics }
  /** One request failed; the others go on. */
  | { type: 'failed'; id: number; error: ThreadError }
  /** The thread can't go on. */
  | { type: 'broken'; error: ThreadError };
