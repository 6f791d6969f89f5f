import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf, revive, runError } from '../errors.js';
import type { LoggedPart, PartJob } from './log-part.js';
import type { PartAnswer } from './part-worker.js';
import { removeStale } from './publish.js';

/** MiB. What is made of a row dies with it: with V8's own 48 a thread takes some 10 MiB more, in about the same time. */
const youngGeneration = 4;

/**
 * `logToPart` in a thread of its own, which ends with it: a row takes longer to write than to append to the log, and
 * whoever appends is to be free for the next. When the signal is aborted the thread is ended; what it had half written
 * is removed, here and where it fails by itself.
 * @throws what `logToPart` throws; runError when the thread fails; the signal's reason
 */
export async function partInThread(job: PartJob, signal: AbortSignal): Promise<LoggedPart> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./part-worker.js', import.meta.url), {
    workerData: job,
    resourceLimits: { maxYoungGenerationSizeMb: youngGeneration },
  });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop);
  try {
    const answer = await new Promise<PartAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', (error) =>
        reject(
          runError(`The thread that keeps finished texts failed: ${messageOf(error)}`, undefined, error),
        ),
      );
      worker.once('exit', (code) =>
        reject(runError(`The thread that keeps finished texts ended with code ${code}`)),
      );
    });
    if ('error' in answer) throw revive(answer.error);
    return answer.made;
  } catch (error) {
    await worker.terminate();
    try {
      removeStale(dirname(job.part));
    } catch {
      // why the thread failed says more
    }
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
