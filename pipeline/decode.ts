import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadStandalone } from '../src/config/load.js';
import { perStep, type TableCounts } from '../src/decode/counts.js';
import { countsOf, joinedShard } from '../src/decode/join.js';
import { verifiesPools } from '../src/decode/settings.js';
import type { TraceOptions } from '../src/decode/trace-file.js';
import { inputError } from '../src/errors.js';
import { makeFolder, removeStale } from '../src/lake/lake.js';
import { readShard, removeShards, type Shard } from '../src/lake/shards.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength } from '../src/pool/builder.js';
import { loadPools, noPools } from '../src/pool/folder.js';
import { draftRowsPerStep } from '../src/report/drafts.js';
import type { StageContext, StageResult, StageTools } from '../src/stage.js';
import { type Decoded, type DecodeJob, decodeJob, isDecoded, locked } from './decode-job.js';
import { decodeInShards, shardsOf } from './decode-shards.js';
import { partitionJob } from './partition-job.js';

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
  trace?: TraceOptions;
  /** `decode.key=value` and `model.key=value` settings. */
  set: string[];
}

/**
 * Decodes the prompts of the partition into its texts table, in several processes where the configuration has shards or
 * GPUs for them; or one share of them into a file that publish joins.
 */
export async function decode(
  context: StageContext,
  options: { compare?: boolean; shard?: Shard; trace?: TraceOptions } = {},
): Promise<StageResult> {
  const { config, lake, partition } = context;
  const { shard, trace } = options;
  if (shard === undefined && shardsOf(config) > 1) {
    if (trace !== undefined) {
      throw inputError(
        `--trace records what one process decodes, and the configuration has ${shardsOf(config)} shards`,
        'Trace one of them (--shard 1/N), or decode in one process (--set decode.shards=1).',
      );
    }
    const decoded = await decodeInShards(context);
    if (decoded !== undefined) return decoded;
  }
  const job = await partitionJob(context, options);
  if (shard !== undefined) return await decodeShard(job, shard, context);
  lake.prepare('texts', partition);
  return await locked(job, context, async () => {
    const decoded = await decodeJob(job, context);
    // older than the table, which they would replace
    removeShards(job.unfinished);
    return stageResult(partition, job, decoded);
  });
}

async function decodeShard(job: DecodeJob, shard: Shard, context: StageContext): Promise<StageResult> {
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
  job: DecodeJob,
  shard: Shard,
  { lake, partition, log }: StageContext,
): Promise<StageResult | undefined> {
  const started = performance.now();
  const found = existsSync(job.out) ? await readShard(job.out) : await joinedShard(lake, partition, shard);
  if (found === undefined || !(await isDecoded(job, found))) return undefined;
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

/** Before anything is decoded. @throws inputError where the texts can't be written to `out`, or would replace their prompts */
function checkOut(out: string, prompts: string): void {
  if (statSync(out, { throwIfNoEntry: false })?.isDirectory())
    throw inputError(`--out: ${out} is a folder`, `Name a file, for example ${join(out, 'texts.parquet')}.`);
  if (resolve(prompts) === out)
    throw inputError(`--out: ${out} is the file of the prompts`, 'Name another file for the texts.');
}

/** Decodes any Parquet with prompts, without a lake. */
export async function decodeStandalone(options: DecodeOptions, tools: StageTools): Promise<StageResult> {
  const config = loadStandalone(options.set, options);
  const out = resolve(options.out);
  checkOut(out, options.prompts);
  const tokenizer = loadTextModel(options.model, config.model.cache);
  const verify = verifiesPools(config.decode);
  const pools =
    options.pools === undefined ? noPools : await loadPools(options.pools, tokenizer.fingerprint, verify);
  makeFolder(dirname(out));
  removeStale(dirname(out));
  const job: DecodeJob = {
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
    trace: options.trace,
  };
  return await locked(job, tools, async () => {
    return stageResult('', job, await decodeJob(job, tools));
  });
}

function stageResult(
  partition: string,
  job: DecodeJob,
  { result: { counts, statistics, poolVersion }, costs, comparison, warnings, seconds, phases }: Decoded,
): StageResult {
  // by depth and match length they stand in the manifest
  const { byDepth, byMatch, ...milliseconds } = statistics;
  return {
    ...described(partition, job, counts, poolVersion),
    files: [job.out],
    seconds,
    warnings,
    phases,
    milliseconds,
    draftRowsPerStep: draftRowsPerStep(statistics),
    ...(costs === undefined ? {} : { costs }),
    ...(comparison === undefined ? {} : { comparison }),
  };
}

/** What a result says of the table, whenever it was decoded. */
function described(partition: string, job: DecodeJob, counts: TableCounts, poolVersion: string | null) {
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
    tokensPerStep: perStep(counts),
  };
}
