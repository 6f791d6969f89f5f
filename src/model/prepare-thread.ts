import { Worker } from 'node:worker_threads';
import { messageOf, revive, runError } from '../errors.js';
import { removeUnfinished } from './cache-folder.js';
import type { PreparedModel } from './prepare.js';
import type { PrepareAnswer, PrepareJob } from './prepare-worker.js';

/**
 * `prepareModel` in a thread of its own. When the signal is aborted, the thread is ended and what it was building is
 * removed. Rejects with the errors of prepareModel, or with `signal.reason`.
 */
export async function prepareInThread(job: PrepareJob, signal: AbortSignal): Promise<PreparedModel> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./prepare-worker.js', import.meta.url), { workerData: job });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop);
  try {
    const answer = await new Promise<PrepareAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (error) => {
        reject(runError(`The model could not be prepared: ${messageOf(error)}`, undefined, error));
      });
      worker.once('exit', (code) => {
        reject(runError(`The thread that prepares the model ended with code ${code}`));
      });
    });
    if ('error' in answer) throw revive(answer.error);
    return answer.prepared;
  } catch (error) {
    if (!signal.aborted) throw error;
    removeUnfinished(job.cache);
    throw signal.reason;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
