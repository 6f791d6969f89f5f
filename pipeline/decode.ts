import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadStandalone } from '../src/config/load.js';
import type { StandaloneConfig } from '../src/config/schema.js';
import { hasOwnBudgets } from '../src/decode/budget.js';
import { DecodeWorker } from '../src/decode/client.js';
import { type Comparison, compareSpeed } from '../src/decode/compare.js';
import type { TableCounts } from '../src/decode/counts.js';
import { countsOf, joinedShard } from '../src/decode/join.js';
import type { CostsInUse } from '../src/decode/messages.js';
import { runKey } from '../src/decode/run-key.js';
import type { DecodeRules } from '../src/decode/sequence.js';
import { decodeSettings, defaultModelCache, engineOptions } from '../src/decode/settings.js';
import { costsIn, keepCosts, releaseCosts, storedCosts } from '../src/decode/stored-costs.js';
import { type TableJob, type TableResult, TableRun } from '../src/decode/table.js';
import type { CostTable } from '../src/engine/cost-table.js';
import { DareError, inputError, runError } from '../src/errors.js';
import { recordFile } from '../src/lake/fingerprint.js';
import { differences, type RunKey } from '../src/lake/kept-rows.js';
import { makeFolder, removeEmpty, removeStale } from '../src/lake/lake.js';
import { RunLock } from '../src/lake/lock.js';
import { readShard, removeShards, type Shard, shardFile, shardName } from '../src/lake/shards.js';
import { modelFingerprint, modelVocabulary } from '../src/model/source.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength } from '../src/pool/builder.js';
import { loadPools, noPools, type PoolSet } from '../src/pool/folder.js';
import { costsLine, draftRowsPerStep, draftsLine } from '../src/report/drafts.js';
import type { StageContext, StageResult, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { type Sources, sourcesOf } from './origins.js';

/** Earlier partitions that are looked through for texts. */
const reusedPartitions = 7;

export interface DecodeOptions {
  /** Hugging Face folder or GGUF file. */
  model: string;
  /** Parquet with `prompt_id` and `prompt` or `messages`. */
  prompts: string;
  out: string;
  /** Folder that `dare pools` wrote. */
  pools?: string;
  weights?: string;
  mode?: string;
  concurrency?: string | number;
  /** `decode.key=value` and `model.key=value` settings. */
  set: string[];
}

interface Job {
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
  /** Measure the speed against autoregressive decoding afterwards. */
  compare: boolean;
  /** What the table of a lake is made from; without it there is no manifest. */
  sources?: Sources;
}

/** Decodes the prompts of the partition into its texts table, or a share of them into a file that publish joins. */
export async function decode(
  context: StageContext,
  options: { compare?: boolean; shard?: Shard } = {},
): Promise<StageResult> {
  const { config, lake, partition } = context;
  const { shard, compare = false } = options;
  const prompts = lake.file('prompts', partition);
  if (!existsSync(prompts)) {
    throw inputError(
      `there are no prompts for the partition ${partition}: ${prompts} is missing`,
      `Run dare prompts --partition ${partition} first.`,
    );
  }
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const poolFolder = lake.dir('pools', partition);
  const unfinished = lake.unfinished('texts', partition);
  const table = `the texts of partition ${partition}`;
  const job: Job = {
    model: config.model.path,
    prompts,
    out: shard === undefined ? lake.file('texts', partition) : shardFile(unfinished, shard),
    what: shard === undefined ? table : `shard ${shard.index}/${shard.count} of ${table}`,
    unfinished,
    top: lake.root,
    texts: lake.dir('texts', partition),
    pools: existsSync(poolFolder) ? await loadPools(poolFolder, tokenizer.fingerprint) : noPools,
    maxLength: config.pools.maxLength,
    config,
    tokenizer,
    reuse: reusable(context),
    compare,
    sources: await sourcesOf('texts', context),
    ...(shard === undefined ? {} : { shard }),
  };
  if (shard !== undefined) return await decodeShard(job, shard, context);
  lake.prepare('texts', partition);
  return await locked(job, context, async () => {
    const decoded = await decodeJob(job, context);
    // older than the table, which they would replace
    removeShards(unfinished);
    return stageResult(partition, job, decoded);
  });
}

/** The partition's own texts and those of the latest earlier partitions: each has what it took over itself. */
function reusable({ config, lake, partition }: StageContext): TableJob['reuse'] {
  const { reuse } = config.decode;
  const partitions = [...lake.earlierPartitions('texts', partition).slice(-reusedPartitions), partition];
  const tables = partitions.reverse().map((name) => lake.file('texts', name));
  return {
    tables: reuse === 'off' ? [] : tables.filter((file) => existsSync(file)),
    strict: reuse === 'strict',
  };
}

async function decodeShard(job: Job, shard: Shard, context: StageContext): Promise<StageResult> {
  const { mode } = job.config.decode;
  if (job.pools.version === null && mode !== 'autoregressive') {
    throw inputError(
      `a shard in mode ${mode} needs pools to draft from, and the partition ${context.partition} has none`,
      'Build them of earlier texts (dare pools, pools.texts), or decode the partition once without --shard: ' +
        'it makes pools of its own, round by round.',
    );
  }
  return await locked(job, context, async () => {
    const done = await finishedShard(job, shard, context);
    if (done !== undefined) return done;
    return stageResult(context.partition, job, await decodeJob(job, context));
  });
}

/** The result of a shard that was decoded before from the same and in the same way: it is left as it is. */
async function finishedShard(
  job: Job,
  shard: Shard,
  { lake, partition, log }: StageContext,
): Promise<StageResult | undefined> {
  const started = performance.now();
  const found = existsSync(job.out) ? await readShard(job.out) : await joinedShard(lake, partition, shard);
  if (found === undefined) return undefined;
  const { weights } = job.config.model;
  // the device may have chosen them
  const asked = weights === 'auto' ? (found.run.weights ?? weights) : weights;
  const costs = costsIn(found.metadata);
  const run = await keyOf(job, modelFingerprint(job.model, modelCache(job.config)), asked, costs);
  if (differences(found.run, run).length > 0) return undefined;
  log.info({}, `${job.what} was decoded before, from the same and in the same way: nothing to do`);
  const counts = countsOf(found.metadata);
  return {
    ...described(partition, job, counts, job.pools.version),
    files: [found.file],
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    skipped: true,
  };
}

/** Decodes any Parquet with prompts, without a lake. */
export async function decodeStandalone(options: DecodeOptions, tools: StageTools): Promise<StageResult> {
  const config = loadStandalone(options.set, options);
  const out = resolve(options.out);
  const tokenizer = loadTextModel(options.model, config.model.cache);
  const pools = options.pools === undefined ? noPools : await loadPools(options.pools, tokenizer.fingerprint);
  makeFolder(dirname(out));
  removeStale(dirname(out));
  const job: Job = {
    model: options.model,
    prompts: options.prompts,
    out,
    what: out,
    unfinished: `${out}.unfinished`,
    top: dirname(out),
    pools,
    maxLength: defaultMaxLength,
    config,
    tokenizer,
    reuse: { tables: [], strict: false },
    compare: false,
  };
  return await locked(job, tools, async () => {
    return stageResult('', job, await decodeJob(job, tools));
  });
}

/** One run at a time. What it leaves goes when it is published: then the folder is empty. */
async function locked<T>(job: Job, { log }: StageTools, work: () => Promise<T>): Promise<T> {
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

function keptName({ shard }: Job): string {
  return shard === undefined ? 'whole' : shardName(shard);
}

async function keyOf(
  job: Job,
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

interface Decoded {
  result: TableResult;
  costs: CostsInUse | undefined;
  comparison: Comparison | undefined;
  warnings: string[];
  seconds: number;
}

async function decodeJob(job: Job, tools: StageTools): Promise<Decoded> {
  const started = performance.now();
  const { config, tokenizer } = job;
  const settings = decodeSettings(config.decode);
  checkVocabulary(job);
  const worker = await DecodeWorker.start({
    engine: engineOptions(job.model, config),
    vocabulary: tokenizer.vocabularySize,
    endTokens: [...tokenizer.endTokens],
  });
  const stop = () => void worker.close();
  tools.signal.addEventListener('abort', stop);
  const loading = (performance.now() - started) / 1000;
  try {
    tools.signal.throwIfAborted();
    const costs = await useCosts(job, worker, settings);
    const { slots, device } = worker;
    tools.log.info(
      { concurrency: slots, costs: costs?.file },
      `decoding on ${device}${costsLine(costs, slots)}`,
    );
    const table = await tableJob(job, worker, costs, tools);
    const decoded = await decodeAndPublish(table, settings, job.compare ? { costs } : undefined);
    tools.log.info({}, draftsLine(decoded.result.statistics));
    return { ...decoded, costs, seconds: decoded.seconds + loading };
  } catch (error) {
    // after an abort every failure is its consequence
    tools.signal.throwIfAborted();
    throw error;
  } finally {
    tools.signal.removeEventListener('abort', stop);
    await worker.close();
  }
}

/** Tells the worker how texts are decoded, and what drafts are weighed by: the partition's table where texts depend on it. */
async function useCosts(job: Job, worker: DecodeWorker, rules: DecodeRules): Promise<CostsInUse | undefined> {
  const { unfinished, texts } = job;
  const model = { modelFingerprint: worker.fingerprint, weights: worker.weights };
  const decisive = hasOwnBudgets(rules);
  worker.use(rules, decisive ? await storedCosts(model, unfinished, texts) : undefined);
  const costs = await worker.costs();
  if (!decisive || costs === undefined) return costs;
  const kept = keepCosts(model, costs.table, unfinished);
  if (kept === costs.table) return costs;
  worker.use(rules, kept);
  return await worker.costs();
}

async function tableJob(
  job: Job,
  worker: DecodeWorker,
  costs: CostsInUse | undefined,
  tools: StageTools,
): Promise<TableJob> {
  const { prompts, out, unfinished, pools, maxLength, config, tokenizer, shard, sources } = job;
  const decisive = hasOwnBudgets(decodeSettings(config.decode)) ? costs?.table : undefined;
  const run = await keyOf(job, worker.fingerprint, worker.weights, decisive);
  const metadata = {
    model: job.model,
    modelFingerprint: worker.fingerprint,
    weights: worker.weights,
    mode: config.decode.mode,
  };
  const origin = sources?.origin;
  return {
    prompts,
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
    },
    reuse: job.reuse,
    // a shard has no manifest beside it: what publish has to know stands in it
    metadata: (counts, poolVersion) =>
      shard === undefined ? metadata : { ...metadata, costs: decisive, poolVersion, origin, counts, run },
    ...(origin !== undefined && shard === undefined
      ? {
          manifest: (counts: TableCounts, poolVersion: string | null) => ({
            stage: 'decode',
            ...metadata,
            costs: decisive,
            poolVersion,
            ...counts,
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
): Promise<Omit<Decoded, 'costs'>> {
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
    const seconds = (decoded - started + performance.now() - compared) / 1000;
    return { result, comparison, warnings: warningsOf(result), seconds };
  } catch (error) {
    throw goesOn(error, run.finishedRows, tools);
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

function modelCache({ model }: StandaloneConfig): string {
  return model.cache ?? defaultModelCache();
}

/** A tokenizer with more tokens than the model has embeddings is another model's: its ids would lead outside them. */
function checkVocabulary({ model, config, tokenizer }: Job): void {
  const vocabulary = modelVocabulary(model, modelCache(config));
  if (tokenizer.vocabularySize <= vocabulary) return;
  throw inputError(
    `The tokenizer of ${model} has token ids up to ${tokenizer.vocabularySize - 1}, ` +
      `its model has ${vocabulary} tokens.`,
    'Take tokenizer.json, config.json and the weights from the same model.',
  );
}

function warningsOf({ counts, failures }: TableResult): string[] {
  const warnings: string[] = [];
  if (counts.failed > 0) {
    warnings.push(`${counts.failed} of ${counts.rows} prompts could not be decoded: ${failures.join('; ')}`);
  }
  if (counts.unknownCohort > 0) {
    warnings.push(
      `${counts.unknownCohort} prompts are of a cohort without a pool and were drafted from the shared one`,
    );
  }
  return warnings;
}

function stageResult(
  partition: string,
  job: Job,
  { result: { counts, statistics, poolVersion }, costs, comparison, warnings, seconds }: Decoded,
): StageResult {
  return {
    ...described(partition, job, counts, poolVersion),
    files: [job.out],
    seconds,
    warnings,
    milliseconds: statistics,
    draftRowsPerStep: draftRowsPerStep(statistics),
    ...(costs === undefined ? {} : { costs }),
    ...(comparison === undefined ? {} : { comparison }),
  };
}

/** What a result says of the table, whenever it was decoded. */
function described(partition: string, job: Job, counts: TableCounts, poolVersion: string | null) {
  const { rows, ...sums } = counts;
  const { shard } = job;
  return {
    stage: 'decode',
    partition,
    ...(shard === undefined ? {} : { shard: `${shard.index}/${shard.count}` }),
    rows,
    mode: job.config.decode.mode,
    poolVersion,
    ...sums,
    tokensPerStep: counts.decodeSteps === 0 ? null : counts.emittedTokens / counts.decodeSteps,
  };
}
