/** The thread that builds the pools of cohorts: see cohort-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { threadError } from '../errors.js';
import { buildCohort, type PoolSettings } from './builder.js';
import { type CohortAnswer, type CohortMessage, unpacked } from './cohort-thread.js';
import { openEarlier } from './folder.js';

const settings = workerData as PoolSettings;

parentPort?.on('message', (message: CohortMessage) => parentPort?.postMessage(answerTo(message)));

function answerTo({ tokens, lengths, earlier, ...job }: CohortMessage): CohortAnswer {
  try {
    const documents = unpacked({ tokens, lengths });
    return { build: buildCohort(settings, { ...job, documents }, earlier && openEarlier(earlier)) };
  } catch (error) {
    return { error: threadError(error) };
  }
}
