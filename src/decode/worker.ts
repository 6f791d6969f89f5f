/**
 * The decoding thread: engine and decode loop together, because a native model step blocks its thread, and because a
 * message per step would cost as much as a small model's step. The main thread reads, writes and answers signals.
 */

import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { DraftPools } from '../draft/drafter.js';
import { type Drafting, OwnDrafting } from '../draft/drafting.js';
import { DraftTeam } from '../draft/team.js';
import { engineCosts } from '../engine/cost-cache.js';
import type { Engine } from '../engine/engine.js';
import { type OpenedEngine, openEngine } from '../engine/open.js';
import { threadError } from '../errors.js';
import { loadTextModel } from '../model/text.js';
import { type PoolKey, sharedKey } from '../pool/builder.js';
import { openPool } from '../pool/file.js';
import type { Pool } from '../pool/trie.js';
import type { TextModel } from '../text/tokenizer.js';
import { DecodeLoop, sequencesOf } from './loop.js';
import type { CostsInUse, FromWorker, ToWorker, WorkerOptions } from './messages.js';
import type { DecodeSettings, SequenceRequest } from './sequence.js';
import { needsCosts, settingsFor } from './settings.js';
import type { Detokenise } from './stop.js';

/** Sequences that keep a drafting thread busy, and drafting threads at most. */
const sequencesOfThread = 4;
const mostThreads = 16;

const port = parentPort;
if (port === null) throw new Error('worker.js is started by DecodeWorker');
const options = workerData as WorkerOptions;
let tokenizer: TextModel | undefined;
const send = (message: FromWorker) => port.postMessage(message);

try {
  const opened = await openEngine(options.engine);
  const { engine, device, weights } = opened;
  const endTokens = new Set(options.endTokens);
  const team = await teamFor(engine);
  const drafting = team ?? new OwnDrafting(options.vocabulary, endTokens);
  let loop: DecodeLoop | undefined;
  let pools = new Map<PoolKey, Pool>();
  let costs: CostsInUse | undefined;
  const handle = async (message: ToWorker) => {
    switch (message.type) {
      case 'settings':
        costs = await costsFor(opened, message);
        loop = makeLoop(engine, settingsFor(engine, message.settings, costs?.table), drafting, endTokens);
        break;
      case 'pools':
        pools = new Map([...message.pools].map(([key, bytes]) => [key, openPool(bytes, 'A pool').pool]));
        team?.usePools(pools, message.pools);
        break;
      case 'decode':
        void decode(loop as DecodeLoop, message.id, message.request, poolsOf(pools, message.cohort));
        break;
      case 'costs':
        send({ type: 'costs', id: message.id, costs });
        break;
      case 'statistics':
        send({ type: 'statistics', id: message.id, statistics: { ...(loop as DecodeLoop).statistics } });
        break;
      case 'stop':
        void stop(engine, loop);
        break;
    }
  };
  // measuring takes a while: what is said meanwhile waits
  let handled = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    handled = handled.then(() => handle(message)).catch(end);
  });
  const { context, slots, fingerprint } = engine;
  send({ type: 'ready', context, slots, fingerprint, device, weights });
} catch (error) {
  end(error);
}

function end(error: unknown): never {
  send({ type: 'broken', error: threadError(error) });
  process.exit();
}

/** What rows are weighed by under these rules; undefined where they aren't weighed. Measured at first use. */
async function costsFor(
  opened: OpenedEngine,
  { settings, costs }: Extract<ToWorker, { type: 'settings' }>,
): Promise<CostsInUse | undefined> {
  if (!needsCosts(settings)) return undefined;
  if (costs !== undefined) return { table: costs, source: 'given' };
  const { table, file, fresh } = await engineCosts(opened, options.engine);
  return { table, source: fresh ? 'measured' : 'cached', file };
}

/** Threads that draft where the processor is idle beside the model, and there is enough to draft. */
async function teamFor(engine: Engine): Promise<DraftTeam | undefined> {
  if (engine.freesProcessor !== true) return undefined;
  // this thread and the main one work too
  const cores = availableParallelism() - 2;
  const threads = Math.min(Math.floor(engine.slots / sequencesOfThread), cores, mostThreads);
  if (threads < 2) return undefined;
  const { vocabulary, endTokens } = options;
  return DraftTeam.start({ threads, sequences: sequencesOf(engine.slots), vocabulary, endTokens });
}

/** Native code must not lose its thread within a step: Dawn ends the whole process for a promise that is open then. */
async function stop(engine: Engine, loop: DecodeLoop | undefined): Promise<void> {
  try {
    await loop?.stop();
    await engine.close();
  } finally {
    process.exit();
  }
}

/** Only stop strings need the tokenizer here. */
function makeLoop(
  engine: Engine,
  settings: DecodeSettings,
  drafting: Drafting,
  endTokens: ReadonlySet<number>,
): DecodeLoop {
  let detokenise: Detokenise | undefined;
  if (settings.stop.length > 0) {
    tokenizer ??= loadTextModel(options.engine.model, options.engine.cache);
    const text = tokenizer;
    detokenise = (ids) => text.decode(ids);
  }
  return new DecodeLoop(engine, settings, drafting, endTokens, detokenise);
}

async function decode(
  loop: DecodeLoop,
  id: number,
  request: SequenceRequest,
  pools: DraftPools,
): Promise<void> {
  try {
    send({ type: 'done', id, outcome: await loop.decode(request, pools) });
  } catch (error) {
    send({ type: 'failed', id, error: threadError(error) });
  }
}

/** A cohort without a pool is drafted for from the shared pool alone. */
function poolsOf(pools: ReadonlyMap<PoolKey, Pool>, key: PoolKey): DraftPools {
  const cohort = key === sharedKey ? undefined : pools.get(key);
  const shared = pools.get(sharedKey);
  return { ...(cohort === undefined ? {} : { cohort }), ...(shared === undefined ? {} : { shared }) };
}
