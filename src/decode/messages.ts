/** What the main thread and the decoding thread say to each other. */
import type { EngineOptions } from '../engine/open.js';
import type { ThreadError } from '../errors.js';
import type { PoolKey } from '../pool/builder.js';
import type { LoopStatistics } from './loop.js';
import type { DecodeRules, Outcome, SequenceRequest } from './sequence.js';

/** `workerData` of the decoding thread. */
export interface WorkerOptions {
  engine: EngineOptions;
  vocabulary: number;
  endTokens: readonly number[];
}

export type ToWorker =
  | { type: 'settings'; settings: DecodeRules }
  | { type: 'pools'; pools: ReadonlyMap<PoolKey, SharedArrayBuffer> }
  | { type: 'decode'; id: number; request: SequenceRequest; cohort: PoolKey }
  | { type: 'statistics'; id: number }
  | { type: 'stop' };

export type FromWorker =
  | { type: 'ready'; context: number; slots: number; fingerprint: string; device: string; weights: string }
  | { type: 'done'; id: number; outcome: Outcome }
  | { type: 'statistics'; id: number; statistics: LoopStatistics }
  /** One request failed; the others go on. */
  | { type: 'failed'; id: number; error: ThreadError }
  /** The thread can't go on. */
  | { type: 'broken'; error: ThreadError };
