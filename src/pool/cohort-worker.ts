/** The thread that builds cohorts: see cohort-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { threadError } from '../errors.js';
import type { PoolSettings } from './builder.js';
import { type CohortBuild, CohortBuilder } from './cohort.js';
import { type CohortAnswer, type CohortMessage, unpacked } from './cohort-thread.js';
import type { EarlierPool } from './folder.js';
import type { Pool } from './trie.js';

const builder = new CohortBuilder(workerData as PoolSettings);
/** Answers go out in the order in which messages came. */
let last = Promise.resolve();

parentPort?.on('message', (message: CohortMessage) => {
  last = last.then(() => answer(message));
});

async function answer({ tokens, lengths, earlier, ...job }: CohortMessage): Promise<void> {
  try {
    const documents = unpacked({ tokens, lengths });
    const build = builder.build({ ...job, documents }, earlier && (await open(earlier)));
    post({ build }, buffersOf(build));
  } catch (error) {
    post({ error: threadError(error) }, []);
  }
}

function post(answer: CohortAnswer, moved: ArrayBuffer[]): void {
  parentPort?.postMessage(answer, moved);
}

/** Columns are handed over, not copied. */
function buffersOf({ trie }: CohortBuild): ArrayBuffer[] {
  return trie === undefined ? [] : Object.values(trie.columns).map(({ buffer }) => buffer as ArrayBuffer);
}

/** What reads files is loaded for a pool that is there already only. */
async function open(earlier: EarlierPool): Promise<Pool> {
  const { openEarlier } = await import('./folder.js');
  return openEarlier(earlier);
}
