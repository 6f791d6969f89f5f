import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadStandalone } from '../src/config/load.js';
import type { StandaloneConfig } from '../src/config/schema.js';
import { DecodeWorker } from '../src/decode/client.js';
import { type Comparison, compareSpeed } from '../src/decode/compare.js';
import type { DecodeRules } from '../src/decode/sequence.js';
import { decodeSettings, defaultModelCache, engineOptions } from '../src/decode/settings.js';
import { type TableCounts, type TableJob, type TableResult, TableRun } from '../src/decode/table.js';
import { inputError } from '../src/errors.js';
import { makeFolder, removeStale, temporaryBeside } from '../src/lake/lake.js';
import { modelVocabulary } from '../src/model/source.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength } from '../src/pool/builder.js';
import { loadPools, noPools, type PoolSet } from '../src/pool/folder.js';
import type { StageContext, StageResult, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';

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
  /** Scratch folder. */
  work: string;
  pools: PoolSet;
  maxLength: number;
  config: StandaloneConfig;
  tokenizer: TextModel;
  /** Measure the speed against autoregressive decoding afterwards. */
  compare: boolean;
  /** Whether a manifest is written beside the table. */
  manifest: boolean;
}

/** Decodes the prompts of the partition into its texts table. */
export async function decode(
  context: StageContext,
  options: { compare?: boolean } = {},
): Promise<StageResult> {
  const { config, lake, partition } = context;
  const prompts = lake.file('prompts', partition);
  if (!existsSync(prompts)) {
    throw inputError(
      `there are no prompts for the partition ${partition}: ${prompts} is missing`,
      `Run dare prompts --partition ${partition} first.`,
    );
  }
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const poolFolder = lake.dir('pools', partition);
  const job: Job = {
    model: config.model.path,
    prompts,
    out: lake.file('texts', partition),
    work: join(lake.prepareWork('texts', partition, { clear: true }), 'parts'),
    pools: existsSync(poolFolder) ? await loadPools(poolFolder, tokenizer.fingerprint) : noPools,
    maxLength: config.pools.maxLength,
    config,
    tokenizer,
    compare: options.compare ?? false,
    manifest: true,
  };
  lake.prepare('texts', partition);
  try {
    const { result, comparison, warnings, seconds } = await decodeJob(job, context);
    return stageResult(partition, job, result, comparison, warnings, seconds);
  } finally {
    lake.clearWork('texts', partition);
  }
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
    work: `${temporaryBeside(out)}.spill`,
    pools,
    maxLength: defaultMaxLength,
    config,
    tokenizer,
    compare: false,
    manifest: false,
  };
  const { result, warnings, seconds } = await decodeJob(job, tools);
  return stageResult('', job, result, undefined, warnings, seconds);
}

interface Decoded {
  result: TableResult;
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
    tools.log.info({ concurrency: worker.slots }, `decoding on ${worker.device}`);
    worker.use(settings);
    const metadata = {
      model: job.model,
      modelFingerprint: worker.fingerprint,
      weights: worker.weights,
      mode: settings.mode,
    };
    const manifest = (counts: TableCounts, poolVersion: string | null) => ({
      stage: 'decode',
      ...metadata,
      poolVersion,
      ...counts,
      configuration: { decode: config.decode },
    });
    const { prompts, out, work, pools, maxLength } = job;
    const table = {
      prompts,
      out,
      work,
      pools,
      maxLength,
      config: config.decode,
      tokenizer,
      worker,
      tools,
      metadata,
      ...(job.manifest ? { manifest } : {}),
    };
    const decoded = await decodeAndPublish(table, settings, job.compare);
    return { ...decoded, seconds: decoded.seconds + loading };
  } catch (error) {
    // after an abort every failure is its consequence
    tools.signal.throwIfAborted();
    throw error;
  } finally {
    tools.signal.removeEventListener('abort', stop);
    await worker.close();
  }
}

async function decodeAndPublish(table: TableJob, settings: DecodeRules, compare: boolean): Promise<Decoded> {
  const { worker, tokenizer, tools } = table;
  const started = performance.now();
  const run = await TableRun.open(table);
  try {
    const result = await run.decode();
    const decoded = performance.now();
    const comparison = compare
      ? await compareSpeed(worker, tokenizer, result.sample, settings, table.config.sampling.seed)
      : undefined;
    const compared = performance.now();
    // what the model took is given back before joining the rows takes memory
    await worker.close();
    tools.signal.throwIfAborted();
    await run.publish();
    const seconds = (decoded - started + performance.now() - compared) / 1000;
    return { result, comparison, warnings: warningsOf(result), seconds };
  } finally {
    await run.close();
  }
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
  { counts, statistics, poolVersion }: TableResult,
  comparison: Comparison | undefined,
  warnings: string[],
  seconds: number,
): StageResult {
  const { rows, ...sums } = counts;
  return {
    stage: 'decode',
    partition,
    rows,
    files: [job.out],
    seconds,
    warnings,
    mode: job.config.decode.mode,
    poolVersion,
    ...sums,
    tokensPerStep: counts.decodeSteps === 0 ? null : counts.emittedTokens / counts.decodeSteps,
    milliseconds: statistics,
    ...(comparison === undefined ? {} : { comparison }),
  };
}
