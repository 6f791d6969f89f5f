/** Pools as the partition's were made, without the texts of the prompts that are to be decoded with them. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { LIST, listValue, VARCHAR } from 'duckdb';
import { inputError } from '../src/errors.js';
import type { Duck } from '../src/lake/duck.js';
import type { PromptRow } from '../src/lake/pages.js';
import { loadPools, type PoolSet } from '../src/pool/folder.js';
import { refreshPools } from '../src/pool/refresh.js';
import type { StageContext } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { earlierTexts, encoding, promptsFor, rulesOf } from './pools.js';

/** Files of texts that the pools of a partition can be made of, the oldest first. */
export interface PoolSources {
  files: string[];
  /** Texts that don't tell whom they are about. */
  unknown: number;
}

/**
 * The texts that `dare pools` would take: those of pools.texts, else of earlier partitions; where there are none, those
 * that the partition's own rounds made.
 * @throws inputError where there are no texts at all
 */
export async function poolSources(duck: Duck, context: StageContext): Promise<PoolSources> {
  const { config, lake, partition } = context;
  const { texts } = config.pools;
  const own = lake.file('texts', partition);
  const found = texts === undefined ? earlierTexts(context) : await filesOf(duck, texts);
  const files = found.length === 0 && existsSync(own) ? [own] : found;
  if (files.length === 0) {
    throw inputError(
      `there are no texts to draft from: neither earlier ones nor those of the partition ${partition}`,
      `Run dare decode --partition ${partition} first.`,
    );
  }
  let unknown = 0;
  for (const file of files) {
    const [row] = await duck.scriptRows('evaluate/unknown-entities', { params: { file } });
    unknown += row?.unknown as number;
  }
  return { files, unknown };
}

async function filesOf(duck: Duck, pattern: string): Promise<string[]> {
  const found = await duck.scriptRows('pools/files', { params: { pattern } });
  return found.map(({ file }) => file as string);
}

/**
 * Builds the pools in a folder that nobody else uses, by the configuration's rules.
 * @param held prompts whose texts, and those of whom they are about, are left out
 */
export async function heldOutPools(
  duck: Duck,
  { files }: PoolSources,
  held: readonly PromptRow[],
  folder: string,
  tokenizer: TextModel,
  context: StageContext,
): Promise<PoolSet & { texts: number }> {
  const known = held.filter(({ entityType, entityId }) => entityType !== null && entityId !== null);
  const list = LIST(VARCHAR);
  await duck.script('evaluate/held-out', {
    params: {
      prompts: listValue(held.map(({ promptId }) => promptId)),
      types: listValue(known.map(({ entityType }) => entityType)),
      ids: listValue(known.map(({ entityId }) => entityId)),
    },
    types: { prompts: list, types: list, ids: list },
  });
  const sources: string[] = [];
  for (const [index, file] of files.entries()) {
    const path = `${folder}-texts-${index}.parquet`;
    await duck.script('evaluate/pool-texts', { params: { file, path } });
    sources.push(path);
  }
  const { config, lake, partition } = context;
  const { texts } = await refreshPools(
    {
      out: folder,
      sources,
      needsTexts: false,
      earlier: [],
      ...encoding(tokenizer, config.pools.maxLength),
      ...(await promptsFor(context, tokenizer, files.includes(lake.file('texts', partition)))),
      rules: rulesOf(config),
      manifest: {},
      checkUnchanged: () => undefined,
      temporary: dirname(folder),
    },
    context,
  );
  // written just now
  return { ...(await loadPools(folder, tokenizer.fingerprint, false)), texts };
}
