/** The thread that makes a part of a log: see part-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ThreadError, threadError } from '../errors.js';
import { type LoggedPart, logToPart, type PartJob } from './log-part.js';

export type PartAnswer = { made: LoggedPart } | { error: ThreadError };

parentPort?.postMessage(await answer(workerData as PartJob));

async function answer(job: PartJob): Promise<PartAnswer> {
  try {
    return { made: await logToPart(job) };
  } catch (error) {
    return { error: threadError(error) };
  }
}
