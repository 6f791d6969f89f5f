import { Worker } from 'node:worker_threads';
import { messageOf, runError } from '../errors.js';
import { degreeOf, type LikeGraph, likesAtOnce, type Pause } from './graph.js';

/** Components of the embedding, the trivial first one included. */
export const dimensions = 16;

export type Likes = Pick<LikeGraph, 'starts' | 'items' | 'weights'>;

/** What the thread gets: the arrays are shared. */
export interface PassJob {
  likes: Likes;
  scaled: Float32Array;
  sums: Float64Array;
  first: number;
  last: number;
}

/**
 * Passes over the likes of a graph: through each user from items to items. Half of the likes are passed by another thread
 * where they are many. Each half has sums of its own, which are added in the end: the result is the same either way.
 */
export class LikePasses {
  /** Numbers of the items to start from, each divided by the root of its degree: `dimensions` for each item. */
  readonly scaled: Float32Array;
  private readonly sums: readonly [Float64Array, Float64Array];
  private readonly middle: number;
  private readonly worker: Worker | undefined;

  constructor(private readonly likes: LikeGraph) {
    const { starts, items, weights, itemDegrees } = likes;
    const numbers = itemDegrees.length * dimensions;
    this.scaled = new Float32Array(new SharedArrayBuffer(numbers * Float32Array.BYTES_PER_ELEMENT));
    const sums = () => new Float64Array(new SharedArrayBuffer(numbers * Float64Array.BYTES_PER_ELEMENT));
    this.sums = [sums(), sums()];
    this.middle = starts.findIndex((start) => 2 * start >= items.length);
    if (items.length < likesAtOnce) return;
    const job: PassJob = {
      likes: { starts, items, weights },
      scaled: this.scaled,
      sums: this.sums[1],
      first: this.middle,
      last: starts.length - 1,
    };
    this.worker = new Worker(new URL('./pass-worker.js', import.meta.url), { workerData: job });
  }

  /** What comes to each item from `scaled`, in `target`. */
  async pass(target: Float64Array, pause: Pause): Promise<void> {
    const [near, far] = this.sums;
    const other = this.worker === undefined ? undefined : this.passInWorker(this.worker);
    // its failure is told where it is awaited
    other?.catch(() => undefined);
    await this.passPieces(near, 0, this.middle, pause);
    if (other === undefined) await this.passPieces(far, this.middle, this.likes.starts.length - 1, pause);
    else await other;
    for (let at = 0; at < target.length; at++) target[at] = (near[at] as number) + (far[at] as number);
  }

  close(): void {
    void this.worker?.terminate();
  }

  private async passPieces(sums: Float64Array, first: number, last: number, pause: Pause): Promise<void> {
    const { starts } = this.likes;
    sums.fill(0);
    for (let from = first; from < last; ) {
      let to = from + 1;
      while (to < last && (starts[to] as number) - (starts[from] as number) < likesAtOnce) to++;
      passUsers(this.likes, this.scaled, sums, from, to);
      from = to;
      await pause();
    }
  }

  private passInWorker(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) =>
        reject(runError(`The likes could not be passed: ${messageOf(error)}`, undefined, error));
      const ended = (code: number) =>
        reject(runError(`The thread that passes likes ended with code ${code}`));
      worker.once('error', failed);
      worker.once('exit', ended);
      worker.once('message', () => {
        worker.off('error', failed);
        worker.off('exit', ended);
        resolve();
      });
      worker.postMessage('pass');
    });
  }
}

/**
 * Adds to `sums` what comes through the users from `first` up to `last`. Four components at a time stay in registers:
 * that is twice as fast as one after the other.
 */
export function passUsers(
  likes: Likes,
  scaled: Float32Array,
  sums: Float64Array,
  first: number,
  last: number,
): void {
  const { starts, items, weights } = likes;
  for (let user = first; user < last; user++) {
    const start = starts[user] as number;
    const end = starts[user + 1] as number;
    if (end === start) continue;
    const share = 1 / degreeOf(likes, user);
    for (let k = 0; k < dimensions; k += 4) {
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      for (let like = start; like < end; like++) {
        const weight = weights[like] as number;
        const at = (items[like] as number) * dimensions + k;
        a += weight * (scaled[at] as number);
        b += weight * (scaled[at + 1] as number);
        c += weight * (scaled[at + 2] as number);
        d += weight * (scaled[at + 3] as number);
      }
      a *= share;
      b *= share;
      c *= share;
      d *= share;
      for (let like = start; like < end; like++) {
        const weight = weights[like] as number;
        const at = (items[like] as number) * dimensions + k;
        sums[at] = (sums[at] as number) + weight * a;
        sums[at + 1] = (sums[at + 1] as number) + weight * b;
        sums[at + 2] = (sums[at + 2] as number) + weight * c;
        sums[at + 3] = (sums[at + 3] as number) + weight * d;
      }
    }
  }
}
