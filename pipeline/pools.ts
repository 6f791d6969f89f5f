import { existsSync } from 'node:fs';
import { inputError } from '../src/errors.js';
import type { Manifest } from '../src/lake/manifest.js';
import { textPages } from '../src/lake/pages.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength, PoolBuilder, poolSettings } from '../src/pool/builder.js';
import { writePools } from '../src/pool/folder.js';
import type { StageContext, StageResult, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { sourcesOf } from './origins.js';

export interface PoolsOptions {
  /** Parquet file or glob with `text`, optional `entity_type` and `cohort`. */
  texts: string;
  /** Folder with tokenizer.json and tokenizer_config.json, or a GGUF file. */
  tokenizer: string;
  out: string;
}

/**
 * Builds the n-gram pools of the partition from texts written before: those that `pools.texts` names, else those of
 * the lake's earlier partitions. With no earlier texts there are no pools, and decode works in rounds.
 */
export async function pools(context: StageContext): Promise<StageResult> {
  const { config, lake, partition } = context;
  const files = config.pools.texts === undefined ? earlierTexts(context) : [config.pools.texts];
  const dir = lake.prepare('pools', partition);
  const { maxLength } = config.pools;
  const { origin, checkUnchanged } = await sourcesOf('pools', context);
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const sources = { files, manifest: { origin }, checkUnchanged };
  const result = await buildInto(dir, sources, tokenizer, maxLength, context);
  return { ...result, partition };
}

/** Builds pools from any Parquet with texts, without a lake. */
export async function poolsStandalone(options: PoolsOptions, tools: StageTools): Promise<StageResult> {
  const tokenizer = loadTextModel(options.tokenizer, undefined);
  const sources = { files: [options.texts], manifest: {}, checkUnchanged: () => undefined };
  return await buildInto(options.out, sources, tokenizer, defaultMaxLength, tools);
}

/** What pools are made of. */
interface TextSources {
  files: readonly string[];
  /** What the manifest says beyond what it always says. */
  manifest: Manifest;
  checkUnchanged: () => void;
}

function earlierTexts({ lake, partition }: StageContext): string[] {
  return lake
    .earlierPartitions('texts', partition)
    .map((name) => lake.file('texts', name))
    .filter((file) => existsSync(file));
}

async function buildInto(
  dir: string,
  { files, manifest: more, checkUnchanged }: TextSources,
  tokenizer: TextModel,
  maxLength: number,
  tools: StageTools,
): Promise<StageResult> {
  const started = performance.now();
  tools.progress.start('pools');
  const { fingerprint } = tokenizer;
  const builder = new PoolBuilder(poolSettings(tokenizer, maxLength));
  for await (const page of textPages(files)) {
    tools.signal.throwIfAborted();
    for (const { text, entityType, cohort } of page)
      builder.add(entityType, cohort, tokenizer.encodeText(text), true);
    tools.progress.advance(page.length);
  }
  if (files.length > 0 && builder.texts === 0) {
    throw inputError(`${files.join(', ')} holds no texts`, 'Expected rows with a text and no error.');
  }
  checkUnchanged();
  const counts = { texts: builder.texts, sources: files.length };
  const manifest = { stage: 'pools', tokenizer: fingerprint, ...counts, ...more };
  const written = await writePools(dir, builder.build(), manifest);
  tools.progress.done();
  const { metadata, version } = written;
  return {
    stage: 'pools',
    partition: '',
    rows: builder.texts,
    files: written.files,
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    version,
    pools: metadata.length,
    tokens: metadata.find(({ cohort }) => cohort === null)?.tokens ?? 0,
  };
}
