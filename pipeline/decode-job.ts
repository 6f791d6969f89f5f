/** Decoding of one table or shard: the model in its thread, the cost table, what is kept, what the files say of it. */
import { join } from 'node:path';
import type { StandaloneConfig } from '../src/config/schema.js';
import { hasOwnBudgets } from '../src/decode/budget.js';
import type { DecodeWorker } from '../src/decode/client.js';
import { type Comparison, compareSpeed } from '../src/decode/compare.js';
import { hasFigures } from '../src/decode/join.js';
import type { CostsInUse } from '../src/decode/messages.js';
import { costsKey, runKey } from '../src/decode/run-key.js';
import type { DecodeRules } from '../src/decode/sequence.js';
import { decodeSettings, defaultModelCache, engineOptions } from '../src/decode/settings.js';
import { agreeOnCosts, costsIn, releaseCosts, storedCosts } from '../src/decode/stored-costs.js';
import {
  contextName,
  type Described,
  type TableJob,
  type TableResult,
  TableRun,
} from '../src/decode/table.js';
import { TraceFile, type TraceOptions } from '../src/decode/trace-file.js';
import type { RunRecord } from '../src/decode/trace-records.js';
import type { CostTable } from '../src/engine/cost-table.js';
import { DareError, runError } from '../src/errors.js';
import { recordFile } from '../src/lake/fingerprint.js';
import { differences, type RunKey } from '../src/lake/kept-journal.js';
import { removeEmpty, removeStale } from '../src/lake/lake.js';
import { RunLock } from '../src/lake/lock.js';
import { PromptFile } from '../src/lake/pages.js';
import { type Shard, type ShardContent, shardName } from '../src/lake/shards.js';
import { checkModel, modelFingerprint } from '../src/model/source.js';
import type { PoolSet } from '../src/pool/folder.js';
import { costsLine, draftsLine } from '../src/report/drafts.js';
import type { ShareFile, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import type { Sources } from './origins.js';
import { withWorker } from './worker.js';

export interface DecodeJob {
  model: string;
  prompts: string;
  out: string;
  /** What it writes, for people. */
  what: string;
  /** Folder of what is kept until it is published; its parents up to `top` vanish when they are empty. */
  unfinished: string;
  top: string;
  pools: PoolSet;
  maxLength: number;
  config: StandaloneConfig;
  tokenizer: TextModel;
  shard?: Shard;
  /** Folder of the table that is replaced, with its manifest. */
  texts?: string;
  /** Earlier tables whose texts are taken over. */
  reuse: TableJob['reuse'];
  /** Texts of the first round before this job. */
  firstRound?: TableJob['firstRound'];
  /** Whether it is the first round before the shards of a table. */
  isFirstRound?: boolean;
  /** Measure the speed against autoregressive decoding afterwards. */
  compare: boolean;
  /** What the table of a lake is made from; without it there is no manifest. */
  sources?: Sources;
  /** Where the steps of some prompts are told. */
  trace?: TraceOptions | undefined;
  /** Agrees with other machines, where the lake is in an object store. */
  share?: ShareFile;
}

/** One run at a time. What it leaves goes when it is published: then the folder is empty. */
export async function locked<T>(job: DecodeJob, { log }: StageTools, work: () => Promise<T>): Promise<T> {
  removeStale(job.unfinished);
  try {
    const lock = RunLock.take(join(job.unfinished, `${keptName(job)}.lock`), job.what, log);
    try {
      return await work();
    } finally {
      lock.release();
    }
  } finally {
    releaseCosts(job.unfinished);
    removeEmpty(job.unfinished, job.top);
  }
}

function keptName({ shard }: DecodeJob): string {
  return shard === undefined ? 'whole' : shardName(shard);
}

/** What decides the rows of a job, by the name that a user knows. */
export async function keyOf(
  job: DecodeJob,
  model: string,
  weights: string,
  costs: CostTable | undefined,
): Promise<RunKey> {
  const { config, maxLength, pools, shard } = job;
  return runKey({
    prompts: (await recordFile(job.prompts)).sha256,
    model,
    weights,
    tokenizer: job.tokenizer.fingerprint,
    poolVersion: pools.version,
    decode: config.decode,
    maxLength,
    shard,
    costs,
  });
}

/** Whether a shard, or a first round, was decoded from the same and in the same way as the job would do it. */
export async function isDecoded(job: DecodeJob, content: ShardContent): Promise<boolean> {
  const { run, metadata } = content;
  if (!hasFigures(content)) return false;
  const { weights } = job.config.model;
  // the device may have chosen them
  const asked = weights === 'auto' ? (run.weights ?? weights) : weights;
  const model = modelFingerprint(job.model, modelCache(job.config));
  return differences(run, await keyOf(job, model, asked, costsIn(metadata))).length === 0;
}

/** What a job came to. */
export interface Decoded {
  result: TableResult;
  costs: CostsInUse | undefined;
  comparison: Comparison | undefined;
  warnings: string[];
  /** All but the comparison, and its parts. */
  seconds: number;
  phases: DecodePhases;
}

/** Where the seconds of a job went. */
export interface DecodePhases {
  /** The model is loaded, and what it costs looked up. */
  loading: number;
  /** Texts are decoded and kept. */
  decoding: number;
  /** Texts are put into order and published. */
  writing: number;
}

/** Decodes the prompts of a job and publishes its file. Rejects as the stage does. */
export async function decodeJob(job: DecodeJob, tools: StageTools): Promise<Decoded> {
  // the model takes longer to open
  const prompts = await PromptFile.open(job.prompts);
  try {
    return await decodePrompts(job, prompts, tools);
  } finally {
    prompts.close();
  }
}

async function decodePrompts(job: DecodeJob, prompts: PromptFile, tools: StageTools): Promise<Decoded> {
  const started = performance.now();
  const { config, tokenizer } = job;
  const settings = decodeSettings(config.decode);
  const { window } = checkModel(job.model, modelCache(config), tokenizer);
  const trace = openTrace(job, settings);
  try {
    // a first round's cost table is that of the shards, which have all prompts
    const count = job.isFirstRound === true ? undefined : prompts.rows;
    const engine = engineOptions(job.model, config, { count, longest: prompts.longest });
    return await withWorker(engine, tokenizer, tools.signal, async (worker) => {
      const costs = await useCosts(job, worker, settings);
      const { slots, device } = worker;
      tools.log.info(
        { concurrency: slots, costs: costs?.file },
        `decoding on ${device}${costsLine(costs, slots)}`,
      );
      const table = { ...(await tableJob(job, worker, costs, tools)), prompts, trace, window };
      const loading = (performance.now() - started) / 1000;
      const decoded = await decodeAndPublish(table, settings, job.compare ? { costs } : undefined);
      tools.log.info({}, draftsLine(decoded.result.statistics));
      const phases = { loading, ...decoded.phases };
      const warnings = [...decoded.warnings, ...(trace?.warnings() ?? [])];
      return { ...decoded, warnings, costs, phases, seconds: loading + phases.decoding + phases.writing };
    });
  } finally {
    trace?.close();
  }
}

function openTrace({ trace, model, tokenizer }: DecodeJob, rules: DecodeRules): TraceFile | undefined {
  if (trace === undefined) return undefined;
  const { mode, topK, minProb, divergenceBudget, minGain } = rules;
  const run: RunRecord = {
    type: 'run',
    version: 2,
    model,
    mode,
    top_k: topK,
    min_prob: minProb,
    divergence_budget: divergenceBudget,
    min_gain: minGain,
    end_tokens: [...tokenizer.endTokens],
  };
  return TraceFile.open(trace, run, tokenizer);
}

/** Tells the worker how texts are decoded, and what drafts are weighed by: the partition's table where texts depend on it. */
async function useCosts(
  job: DecodeJob,
  worker: DecodeWorker,
  rules: DecodeRules,
): Promise<CostsInUse | undefined> {
  const { unfinished, texts } = job;
  const model = { modelFingerprint: worker.fingerprint, weights: worker.weights };
  const decisive = hasOwnBudgets(rules);
  worker.use(rules, decisive ? await storedCosts(model, unfinished, texts) : undefined);
  const costs = await worker.costs();
  if (!decisive || costs === undefined) return costs;
  const kept = await agreeOnCosts(model, costs.table, unfinished, job.share);
  if (kept === costs.table) return costs;
  worker.use(rules, kept);
  return await worker.costs();
}

async function tableJob(
  job: DecodeJob,
  worker: DecodeWorker,
  costs: CostsInUse | undefined,
  tools: StageTools,
): Promise<Omit<TableJob, 'prompts'>> {
  const { out, unfinished, pools, maxLength, config, tokenizer, shard, sources } = job;
  const { firstRound, isFirstRound = false } = job;
  const decisive = hasOwnBudgets(decodeSettings(config.decode)) ? costs?.table : undefined;
  const run = await keyOf(job, worker.fingerprint, worker.weights, decisive);
  const metadata = {
    model: job.model,
    modelFingerprint: worker.fingerprint,
    weights: worker.weights,
    mode: config.decode.mode,
  };
  // no part of the table's file: texts of one device are those of another
  const place = { device: worker.device, concurrency: worker.slots };
  const origin = sources?.origin;
  return {
    out,
    kept: join(unfinished, keptName(job)),
    run,
    shard,
    pools,
    maxLength,
    config: config.decode,
    tokenizer,
    worker,
    tools,
    settings: {
      model: worker.fingerprint,
      weights: worker.weights,
      tokenizer: tokenizer.fingerprint,
      rules: decodeSettings(config.decode),
      seed: config.decode.sampling.seed,
      costs: decisive === undefined ? undefined : costsKey(decisive),
    },
    reuse: job.reuse,
    firstRound,
    isFirstRound,
    // a shard has no manifest beside it: what publish has to know stands in it
    metadata: ({ counts, poolVersion, statistics }) =>
      shard === undefined && !isFirstRound
        ? metadata
        : { ...metadata, ...place, costs: decisive, poolVersion, origin, counts, statistics, run },
    ...(origin !== undefined && shard === undefined
      ? {
          manifest: ({ counts, poolVersion, statistics }: Described) => ({
            stage: 'decode',
            ...metadata,
            ...place,
            costs: decisive,
            poolVersion,
            ...counts,
            statistics,
            origin,
            run,
          }),
        }
      : {}),
  };
}

async function decodeAndPublish(
  table: TableJob,
  settings: DecodeRules,
  compare: { costs: CostsInUse | undefined } | undefined,
): Promise<Omit<Decoded, 'costs' | 'seconds' | 'phases'> & { phases: Omit<DecodePhases, 'loading'> }> {
  const { worker, tokenizer, tools } = table;
  const started = performance.now();
  const run = await TableRun.open(table);
  try {
    const result = await run.decode();
    const decoded = performance.now();
    const { seed } = table.config.sampling;
    const comparison =
      compare === undefined
        ? undefined
        : await compareSpeed(worker, tokenizer, result.sample, {
            rules: settings,
            seed,
            costs: compare.costs?.table,
          });
    const compared = performance.now();
    // what the model took is given back before joining the rows takes memory
    await worker.close();
    tools.signal.throwIfAborted();
    await run.publish();
    const phases = {
      decoding: (decoded - started) / 1000,
      writing: (performance.now() - compared) / 1000,
    };
    return {
      result,
      comparison,
      warnings: warningsOf(result, contextName(worker.context, table.window)),
      phases,
    };
  } catch (error) {
    throw goesOn(error, run.finishedTexts, tools);
  } finally {
    await run.close();
  }
}

/** An error with what it leaves: finished texts, which the next run takes over. */
function goesOn(error: unknown, finished: number, { signal, log }: StageTools): unknown {
  if (finished === 0) return error;
  const kept = `${finished} finished texts are kept: run it again, and it goes on behind them.`;
  if (signal.aborted) log.info({}, kept);
  if (signal.aborted || !(error instanceof DareError) || error.exitCode !== 1) return error;
  const { message, hint } = error;
  return runError(message, hint === undefined ? kept : `${hint} ${kept}`, error);
}

export function modelCache({ model }: StandaloneConfig): string {
  return model.cache ?? defaultModelCache();
}

function warningsOf({ counts, failures }: TableResult, context: string): string[] {
  const warnings: string[] = [];
  if (counts.failed > 0) {
    warnings.push(`${counts.failed} of ${counts.rows} prompts could not be decoded: ${failures.join('; ')}`);
  }
  if (counts.cutByContext > 0) {
    warnings.push(
      `${counts.cutByContext} of ${counts.rows} texts were cut off where they reached ${context} tokens`,
    );
  }
  if (counts.unknownCohort > 0) {
    warnings.push(
      `${counts.unknownCohort} prompts are of a cohort without a pool and were drafted from the shared one`,
    );
  }
  return warnings;
}
