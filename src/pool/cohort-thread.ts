import { Worker } from 'node:worker_threads';
import { type DareError, messageOf, revive, runError, type ThreadError } from '../errors.js';
import type { PoolSettings } from './builder.js';
import type { CohortBuild, CohortJob } from './cohort.js';
import type { EarlierPool } from './folder.js';

/** A cohort that the thread is to build. */
export interface CohortMessage extends Omit<CohortJob, 'documents'> {
  /** The documents' tokens, one after the other, in shared memory; and how many each has. */
  tokens: Int32Array;
  lengths: Int32Array;
  /** The pool, where it is there already. */
  earlier: EarlierPool | undefined;
}

/** The thread's answer to a message; they come in the same order. */
export type CohortAnswer = { build: CohortBuild } | { error: ThreadError };

interface Pending {
  resolve: (build: CohortBuild) => void;
  reject: (error: unknown) => void;
}

/** Builds the pools of cohorts in a thread beside this one, in the order in which they come. */
export class CohortThread {
  private readonly worker: Worker;
  private readonly pending: Pending[] = [];
  private failure: { reason: unknown } | undefined;

  /** @param signal what isn't built when it is aborted is rejected with its reason */
  constructor(
    settings: PoolSettings,
    private readonly signal?: AbortSignal,
  ) {
    this.worker = new Worker(new URL('./cohort-worker.js', import.meta.url), { workerData: settings });
    this.worker.on('message', (answer: CohortAnswer) => this.receive(answer));
    this.worker.on('error', (error) =>
      this.fail(runError(`The thread that builds pools failed: ${messageOf(error)}`, undefined, error)),
    );
    this.worker.on('exit', (code) => this.fail(ended(code)));
    this.signal?.addEventListener('abort', this.abort);
    if (this.signal?.aborted) this.abort();
  }

  /**
   * As of `CohortBuilder`. The documents are copied: they take their memory twice until it is built.
   * @param earlier the pool, where it is there already
   * @throws what that throws; runError when the thread fails; the signal's reason
   */
  build({ documents, ...job }: CohortJob, earlier?: EarlierPool): Promise<CohortBuild> {
    if (this.failure !== undefined) return Promise.reject(this.failure.reason);
    const message: CohortMessage = { ...job, ...packed(documents), earlier };
    return new Promise((resolve, reject) => {
      this.pending.push({ resolve, reject });
      this.worker.postMessage(message);
    });
  }

  /** Ends the thread, with what it is at. */
  async close(): Promise<void> {
    this.signal?.removeEventListener('abort', this.abort);
    this.fail(runError('The thread that builds pools was closed'));
    await this.worker.terminate();
  }

  private readonly abort = (): void => this.fail(this.signal?.reason);

  private receive(answer: CohortAnswer): void {
    const asked = this.pending.shift();
    if ('error' in answer) asked?.reject(revive(answer.error));
    else asked?.resolve(answer.build);
  }

  private fail(reason: unknown): void {
    this.failure ??= { reason };
    for (const { reject } of this.pending.splice(0)) reject(this.failure.reason);
  }
}

function ended(code: number): DareError {
  return runError(`The thread that builds pools ended with code ${code}`);
}

function packed(documents: readonly Int32Array[]): Pick<CohortMessage, 'tokens' | 'lengths'> {
  const lengths = Int32Array.from(documents, ({ length }) => length);
  const sum = lengths.reduce((all, length) => all + length, 0);
  const tokens = new Int32Array(new SharedArrayBuffer(sum * Int32Array.BYTES_PER_ELEMENT));
  let at = 0;
  for (const document of documents) {
    tokens.set(document, at);
    at += document.length;
  }
  return { tokens, lengths };
}

/** The documents of a message, without copying. */
export function unpacked({ tokens, lengths }: Pick<CohortMessage, 'tokens' | 'lengths'>): Int32Array[] {
  let end = 0;
  return Array.from(lengths, (length) => {
    end += length;
    return tokens.subarray(end - length, end);
  });
}
