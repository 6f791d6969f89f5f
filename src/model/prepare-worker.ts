/** A thread that prepares one model: converting a large one takes minutes, in which signals must be heard. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ThreadError, threadError } from '../errors.js';
import type { CpuWeights } from './linear.js';
import { type PreparedModel, prepareModel } from './prepare.js';

/** `workerData` of the thread. */
export interface PrepareJob {
  path: string;
  cache: string;
  weights: CpuWeights;
}

export type PrepareAnswer = { prepared: PreparedModel } | { error: ThreadError };

const { path, cache, weights } = workerData as PrepareJob;
let answer: PrepareAnswer;
try {
  answer = { prepared: prepareModel(path, cache, weights) };
} catch (error) {
  answer = { error: threadError(error) };
}
parentPort?.postMessage(answer);
