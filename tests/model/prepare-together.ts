/** A thread that converts a model into one folder after the other, each at the same moment as the other threads. */
import { parentPort, workerData } from 'node:worker_threads';
import { type PreparedModel, prepareModel } from '../../src/model/prepare.js';

export interface Together {
  path: string;
  caches: string[];
  threads: number;
  /** A number for each cache: how many threads have come to it. */
  gate: Int32Array;
}

const { path, caches, threads, gate } = workerData as Together;
const prepared: PreparedModel[] = caches.map((cache, at) => {
  const others = Atomics.add(gate, at, 1);
  if (others + 1 === threads) Atomics.notify(gate, at);
  for (let here = others + 1; here < threads; here = Atomics.load(gate, at)) Atomics.wait(gate, at, here);
  return prepareModel(path, cache);
});
parentPort?.postMessage(prepared);
