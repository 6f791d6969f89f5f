/** The thread that passes half of a graph's likes, once for each message. */
import { parentPort, workerData } from 'node:worker_threads';
import { type PassJob, passUsers } from './like-pass.js';

const { likes, scaled, sums, first, last } = workerData as PassJob;
parentPort?.on('message', () => {
  sums.fill(0);
  passUsers(likes, scaled, sums, first, last);
  parentPort?.postMessage('passed');
});
