/**
 * Texts of mode relaxed depend on the cost table that their drafts are weighed by. So all of a partition's are made by one:
 * it stands in `costs.json` beside what is kept of unfinished runs, all shards' alike, and in the manifest later on.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type CostTable, costTableSchema } from '../engine/cost-table.js';
import { inputError } from '../errors.js';
import { fileError, listFolder, makeFolder } from '../lake/lake.js';
import { readManifest } from '../lake/manifest.js';

/** The model whose steps are meant. */
export interface CostedModel {
  /** sha256 over its files. */
  modelFingerprint: string;
  weights: string;
}

const fileName = 'costs.json';
const stored = z.object({ modelFingerprint: z.string(), weights: z.string(), costs: costTableSchema });

/**
 * The cost table that texts of a partition are to be made by: that of its unfinished runs, else that of the texts that it
 * has; undefined where there is none for this model.
 * @param unfinished folder of what is kept of unfinished runs
 * @param texts folder of the texts' table and manifest; a table outside of a lake has none
 * @throws inputError when costs.json or the manifest is broken
 */
export async function storedCosts(
  model: CostedModel,
  unfinished: string,
  texts: string | undefined,
): Promise<CostTable | undefined> {
  const kept = readCosts(unfinished);
  if (kept !== undefined && isOf(model, kept)) return kept.costs;
  const published = texts === undefined ? undefined : stored.safeParse(await readManifest(texts)).data;
  return published !== undefined && isOf(model, published) ? published.costs : undefined;
}

/** The cost table in what a manifest, or a shard, says of its texts; undefined where they depend on none. */
export function costsIn(described: Record<string, unknown>): CostTable | undefined {
  return stored.safeParse(described).data?.costs;
}

/**
 * Keeps a cost table for the other shards and for a run that goes on. Returns the one that counts: another shard may have
 * kept its own meanwhile.
 * @throws inputError when costs.json is broken, runError when it can't be written
 */
export function keepCosts(model: CostedModel, costs: CostTable, unfinished: string): CostTable {
  const file = join(unfinished, fileName);
  const text = `${JSON.stringify({ ...model, costs })}\n`;
  const known = readCosts(unfinished);
  if (known !== undefined && isOf(model, known)) return known.costs;
  try {
    makeFolder(unfinished);
    // another model's is of no use any more
    writeFileSync(file, text, { flag: known === undefined ? 'wx' : 'w' });
    return costs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return keepCosts(model, costs, unfinished);
    throw fileError(error, 'the cost table could not be kept', file);
  }
}

/** Removes costs.json where nothing is kept any more that was made by it. */
export function releaseCosts(unfinished: string): void {
  const file = join(unfinished, fileName);
  try {
    if (listFolder(unfinished).every((name) => name === fileName)) rmSync(file, { force: true });
  } catch (error) {
    throw fileError(error, 'the cost table could not be removed', file);
  }
}

function readCosts(folder: string): z.output<typeof stored> | undefined {
  const file = join(folder, fileName);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, 'the cost table could not be read', file);
  }
  try {
    return stored.parse(JSON.parse(text));
  } catch (error) {
    throw inputError(`${file} holds no cost table`, 'Remove it, and run the stage again.', error);
  }
}

function isOf(model: CostedModel, { modelFingerprint, weights }: CostedModel): boolean {
  return modelFingerprint === model.modelFingerprint && weights === model.weights;
}
