import { existsSync } from 'node:fs';
import type { Config } from '../src/config/schema.js';
import { promptLookup } from '../src/decode/prompt-lookup.js';
import { calibrate } from '../src/draft/calibrate.js';
import { runError } from '../src/errors.js';
import { FileWatch, recordFile } from '../src/lake/fingerprint.js';
import { type Manifest, readManifest } from '../src/lake/manifest.js';
import { fingerprintOf } from '../src/lake/origin.js';
import type { TextRules } from '../src/lake/pool-texts.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength, type PromptLookup, poolSettings } from '../src/pool/builder.js';
import { type RefreshJob, refreshPools } from '../src/pool/refresh.js';
import { verifyPools } from '../src/pool/verify.js';
import type { CommandResult, StageContext, StageResult, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { sourcesOf, withoutTexts } from './origins.js';

export interface PoolsOptions {
  /** Parquet file or glob with `text`, optional `entity_type` and `cohort`. */
  texts: string;
  /** Folder with tokenizer.json and tokenizer_config.json, or a GGUF file. */
  tokenizer: string;
  out: string;
}

/**
 * Builds the n-gram pools of the partition from texts written before: those that `pools.texts` names, else those of
 * the lake's earlier partitions. With no earlier texts there are no pools, and decode works in rounds. Pools whose texts
 * are what they were are taken over from the partition's own pools, or from those of the partition before.
 */
export function pools(context: StageContext): Promise<StageResult> {
  const { texts } = context.config.pools;
  return buildPools(context, texts === undefined ? earlierTexts(context) : [texts], texts !== undefined);
}

/**
 * Builds the pools of the partition from texts of a first round of its own: no other table or file is their origin, and
 * their manifest has `firstRound`.
 * @param needed whether it is an error when there is no text
 */
export function firstRoundPools(
  context: StageContext,
  sources: string[],
  needed: boolean,
): Promise<StageResult> {
  return buildPools(context, sources, needed, true);
}

/** Whether a manifest is that of such pools. */
export function areOfFirstRound(manifest: Manifest | undefined): boolean {
  return manifest?.firstRound === true;
}

async function buildPools(
  context: StageContext,
  sources: string[],
  needed: boolean,
  firstRound = false,
): Promise<StageResult> {
  const { config, lake, partition } = context;
  const { maxLength } = config.pools;
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const out = lake.prepare('pools', partition);
  const before = lake.earlierPartitions('pools', partition).at(-1);
  const { origin, checkUnchanged } = await sourcesOf('pools', context);
  const job: RefreshJob = {
    out,
    sources,
    needsTexts: needed,
    earlier: [out, ...(before === undefined ? [] : [lake.dir('pools', before)])],
    ...encoding(tokenizer, maxLength),
    ...(await promptsFor(context, tokenizer, firstRound)),
    rules: rulesOf(config),
    manifest: firstRound ? { origin: withoutTexts(origin), firstRound } : { origin },
    checkUnchanged,
    temporary: lake.prepareWork('pools', partition, { clear: true }),
  };
  try {
    return { ...(await run(job, context)), partition };
  } finally {
    lake.clearWork('pools', partition);
  }
}

/** Builds pools from any Parquet with texts, without a lake. */
export async function poolsStandalone(options: PoolsOptions, tools: StageTools): Promise<StageResult> {
  const { out, texts } = options;
  const tokenizer = loadTextModel(options.tokenizer, undefined);
  const rules: TextRules = { keep: 'recent', exclude: [] };
  const sources = { sources: [texts], needsTexts: true, manifest: {}, checkUnchanged: () => undefined };
  const job = { out, ...sources, earlier: [out], rules };
  return await run({ ...job, ...encoding(tokenizer, defaultMaxLength) }, tools);
}

async function run(job: RefreshJob, tools: StageTools): Promise<StageResult> {
  const started = performance.now();
  tools.progress.start('pools');
  const { entries, files, texts, ...counts } = await refreshPools(job, tools);
  tools.progress.done();
  const shared = entries.find(({ cohort }) => cohort === null);
  return {
    stage: 'pools',
    partition: '',
    rows: texts,
    files,
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    ...counts,
    pools: entries.length,
    tokens: shared?.tokens ?? 0,
  };
}

/** How texts become pools, whatever texts they are. */
export function encoding(
  tokenizer: TextModel,
  maxLength: number,
): Pick<RefreshJob, 'settings' | 'calibrate' | 'encode'> {
  return {
    settings: poolSettings(tokenizer, maxLength),
    calibrate,
    encode: (text) => tokenizer.encodeText(text),
  };
}

/**
 * Checks the pools of a folder, byte by byte.
 * @throws inputError where there are none; runError that names every broken file
 */
export async function verify(dir: string, tools: StageTools): Promise<CommandResult> {
  const started = performance.now();
  tools.progress.start('pools verify');
  const {
    pools: count,
    version,
    faults,
    unlisted,
  } = await verifyPools(dir, () => {
    tools.signal.throwIfAborted();
    tools.progress.advance(1);
  });
  tools.progress.done();
  if (faults.length > 0) {
    const lines = faults.map(({ file, fault }) => `\n  ${file}: ${fault}`);
    throw runError(
      `the pools in ${dir} are broken:${lines.join('')}`,
      'Build them again: dare pools takes over the whole ones.',
    );
  }
  const seconds = (performance.now() - started) / 1000;
  const warnings = unlisted.map((name) => `${name} isn't listed in the manifest of ${dir}: nothing reads it`);
  return { stage: 'pools verify', pools: count, version, seconds, warnings };
}

/** The texts of the lake's earlier partitions, the oldest first. */
export function earlierTexts({ lake, partition }: StageContext): string[] {
  return lake
    .earlierPartitions('texts', partition)
    .map((name) => lake.file('texts', name))
    .filter((file) => existsSync(file));
}

/**
 * Prompts of the texts that pools are made of: those of the lake's earlier partitions, or the partition's own where the texts
 * are those of its rounds. Of texts from elsewhere nobody knows them. Looking them up rejects with runError where a file was
 * replaced since: their fingerprint would be another's.
 */
export async function promptsFor(
  { config, lake, partition }: StageContext,
  tokenizer: TextModel,
  ofOwnRounds: boolean,
): Promise<Pick<RefreshJob, 'prompts'>> {
  const names = ofOwnRounds ? [partition] : lake.earlierPartitions('texts', partition);
  const known = names.filter((name) => existsSync(lake.file('prompts', name)));
  if (known.length === 0 || (config.pools.texts !== undefined && !ofOwnRounds)) return {};
  const files = known.map((name) => lake.file('prompts', name));
  const watch = new FileWatch(files);
  const versions: string[] = [];
  for (const [i, name] of known.entries()) {
    const version = fingerprintOf(await readManifest(lake.dir('prompts', name)));
    // without a manifest the file stands for itself
    versions.push(version ?? (await recordFile(files[i] as string)).sha256);
  }
  const read = promptLookup(tokenizer, files);
  const lookup: PromptLookup = async (ids) => {
    const prompts = await read(ids);
    watch.check();
    return prompts;
  };
  return { prompts: { lookup, fingerprint: versions.join(' ') } };
}

/** Which texts pools are made of. */
export function rulesOf({ pools: { maxTokens, keep, exclude } }: Config): TextRules {
  return { ...(maxTokens === undefined ? {} : { maxTokens }), keep, exclude };
}
