import { existsSync } from 'node:fs';
import type { Config } from '../src/config/schema.js';
import { verifiesPools } from '../src/decode/settings.js';
import type { TraceOptions } from '../src/decode/trace-file.js';
import { inputError } from '../src/errors.js';
import { reusedPartitions } from '../src/lake/reused-partitions.js';
import { firstRoundFile, type Shard, shardFile } from '../src/lake/shards.js';
import { loadTextModel } from '../src/model/text.js';
import { loadPools, noPools } from '../src/pool/folder.js';
import type { StageContext } from '../src/stage.js';
import type { DecodeJob } from './decode-job.js';
import { type Place, sourcesOf } from './origins.js';

/** The file of the partition's prompts. @throws inputError where there is none */
export function promptsOf({ lake, partition }: StageContext): string {
  const prompts = lake.file('prompts', partition);
  if (existsSync(prompts)) return prompts;
  throw inputError(
    `there are no prompts for the partition ${partition}: ${prompts} is missing`,
    `Run dare prompts --partition ${partition} first.`,
  );
}

/** The job that decodes the prompts of a partition, or a share of them. @throws inputError where there are none */
export async function partitionJob(
  context: StageContext,
  options: { shard?: Shard | undefined; compare?: boolean; trace?: TraceOptions | undefined } = {},
): Promise<DecodeJob> {
  const { config, lake, partition } = context;
  const { shard, compare = false, trace } = options;
  const prompts = promptsOf(context);
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const poolFolder = lake.dir('pools', partition);
  const unfinished = lake.unfinished('texts', partition);
  const table = `the texts of partition ${partition}`;
  return {
    model: config.model.path,
    prompts,
    out: shard === undefined ? lake.file('texts', partition) : shardFile(unfinished, shard),
    what: shard === undefined ? table : `shard ${shard.index}/${shard.count} of ${table}`,
    unfinished,
    top: lake.root,
    texts: lake.dir('texts', partition),
    pools: existsSync(poolFolder)
      ? await loadPools(poolFolder, tokenizer.fingerprint, verifiesPools(config.decode))
      : noPools,
    maxLength: config.pools.maxLength,
    config: onOneGpu(config, shard),
    tokenizer,
    reuse: reusable(context),
    firstRound: existsSync(firstRoundFile(unfinished)) ? firstRoundFile(unfinished) : undefined,
    compare,
    trace,
    sources: await sourcesOf('texts', context),
    ...(context.store === undefined ? {} : { share: context.store.share }),
    ...(shard === undefined ? {} : { shard }),
  };
}

/** A process decodes on one GPU: of several the shards take one after the other, and what is no shard the first. */
export function onOneGpu(config: Config, shard?: Shard): Config {
  const { adapters = [] } = config.model;
  const adapter = adapters[((shard?.index ?? 1) - 1) % adapters.length];
  return adapter === undefined ? config : { ...config, model: { ...config.model, adapter } };
}

/** The partition's own texts and those of the latest earlier partitions: each has what it took over itself. */
export function reusable({ config, lake, partition }: Place): DecodeJob['reuse'] {
  const { reuse } = config.decode;
  const partitions = [...lake.earlierPartitions('texts', partition).slice(-reusedPartitions), partition];
  const tables = partitions.reverse().map((name) => lake.file('texts', name));
  return {
    tables: reuse === 'off' ? [] : tables.filter((file) => existsSync(file)),
    strict: reuse === 'strict',
  };
}
