import { Worker } from 'node:worker_threads';
import type { CostTable } from '../engine/cost-table.js';
import { prepareEnvironment } from '../engine/environment.js';
import { type DareError, messageOf, revive, runError, type ThreadError } from '../errors.js';
import type { PoolKey } from '../pool/builder.js';
import type { CostsInUse, FromWorker, ToWorker, WorkerOptions } from './messages.js';
import type { DecodeRules, Outcome, SequenceRequest } from './sequence.js';
import type { LoopStatistics } from './statistics.js';

type WithoutId<T> = T extends { id: number } ? Omit<T, 'id'> : never;

interface Pending {
  resolve: (value: never) => void;
  reject: (error: DareError) => void;
}

/** The decoding thread, seen from the main thread. */
export class DecodeWorker {
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private failure: DareError | undefined;
  private readonly exited: Promise<void>;

  private constructor(
    private readonly worker: Worker,
    /** Positions of a sequence, prompt and output together. */
    readonly context: number,
    /** Sequences decoded together. */
    readonly slots: number,
    /** sha256 over the model's files. */
    readonly fingerprint: string,
    /** What decodes, and why, for people. */
    readonly device: string,
    /** The weight type that it computes with. */
    readonly weights: string,
  ) {
    worker.on('message', (message: FromWorker) => this.receive(message));
    worker.on('error', (error) =>
      this.fail(runError(`The decoding thread failed: ${messageOf(error)}`, undefined, error)),
    );
    this.exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.fail(runError(`The decoding thread ended with code ${code}`));
        resolve();
      });
    });
  }

  /** Loads the model in a thread of its own. Rejects when the model can't be loaded, or there is no such GPU. */
  static async start(options: WorkerOptions): Promise<DecodeWorker> {
    prepareEnvironment(options.engine);
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: options });
    return new Promise((resolve, reject) => {
      const ended = (code: number) =>
        reject(runError(`The decoding thread ended with code ${code} while it started`));
      worker.once('error', reject);
      worker.once('exit', ended);
      worker.once('message', (message: FromWorker) => {
        worker.off('error', reject);
        worker.off('exit', ended);
        if (message.type === 'ready') {
          const { context, slots, fingerprint, device, weights } = message;
          resolve(new DecodeWorker(worker, context, slots, fingerprint, device, weights));
        } else {
          // a thread that is broken ends by itself
          reject(revive(message.type === 'broken' ? message.error : unexpected(message.type)));
        }
      });
    });
  }

  /**
   * How the texts from now on are decoded; nothing may be in flight.
   * @param costs what rows of drafts are weighed by, where they are; this machine's costs, measured at first use, if left out
   */
  use(settings: DecodeRules, costs?: CostTable): void {
    this.send({ type: 'settings', settings, ...(costs === undefined ? {} : { costs }) });
  }

  /** What rows of drafts are weighed by since the last `use`; undefined where they aren't. */
  costs(): Promise<CostsInUse | undefined> {
    return this.ask<CostsInUse | undefined>({ type: 'costs' });
  }

  /** The pools that the texts from now on are drafted from; nothing may be in flight. */
  usePools(pools: ReadonlyMap<PoolKey, SharedArrayBuffer>): void {
    this.send({ type: 'pools', pools });
  }

  /** Decodes one prompt of less than `context` tokens. Rejects when the engine can't go on. */
  decode(request: SequenceRequest, cohort: PoolKey): Promise<Outcome> {
    return this.ask<Outcome>({ type: 'decode', request, cohort });
  }

  /** Since the last `use`. */
  statistics(): Promise<LoopStatistics> {
    return this.ask<LoopStatistics>({ type: 'statistics' });
  }

  /**
   * Ends the thread after the step that it is in; what is in flight is lost. Fine to call again. It isn't terminated:
   * ONNX Runtime and Dawn end the whole process when their thread dies within a step.
   */
  async close(): Promise<void> {
    this.failure ??= runError('The decoding thread was closed');
    this.send({ type: 'stop' });
    await this.exited;
  }

  private ask<T>(message: WithoutId<ToWorker>): Promise<T> {
    const id = this.nextId++;
    return new Promise<T>((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      this.pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      this.send({ ...message, id } as ToWorker);
    });
  }

  private send(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private receive(message: FromWorker): void {
    if (message.type === 'broken') {
      this.fail(revive(message.error));
      return;
    }
    if (message.type === 'ready') return;
    const request = this.pending.get(message.id);
    if (request === undefined) return;
    this.pending.delete(message.id);
    if (message.type === 'failed') request.reject(revive(message.error));
    else request.resolve(answerOf(message) as never);
  }

  private fail(error: DareError): void {
    this.failure ??= error;
    for (const { reject } of this.pending.values()) reject(this.failure);
    this.pending.clear();
  }
}

function answerOf(message: Extract<FromWorker, { type: 'done' | 'costs' | 'statistics' }>) {
  switch (message.type) {
    case 'done':
      return message.outcome;
    case 'costs':
      return message.costs;
    case 'statistics':
      return message.statistics;
  }
}

function unexpected(type: string): ThreadError {
  return { message: `The decoding thread began with "${type}".`, exitCode: 1, hint: undefined };
}
