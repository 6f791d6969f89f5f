/**
 * Texts of mode relaxed depend on the cost table that their drafts are weighed by. So all of a partition's are made by one:
 * it stands in `costs/table.json` beside what is kept of unfinished runs, all shards' alike, and in the manifest later on.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type CostTable, costTableSchema } from '../engine/cost-table.js';
import { inputError } from '../errors.js';
import { fileError, listFolder, makeFolder } from '../lake/lake.js';
import { readManifest } from '../lake/manifest.js';
import { placeFolder } from '../lake/place.js';
import type { ShareFile } from '../stage.js';

/** The model whose steps are meant. */
export interface CostedModel {
  /** sha256 over its files. */
  modelFingerprint: string;
  weights: string;
}

const folderName = 'costs';
const fileName = 'table.json';
const stored = z.object({ modelFingerprint: z.string(), weights: z.string(), costs: costTableSchema });

/**
 * The cost table that texts of a partition are to be made by: that of its unfinished runs, else that of the texts that it
 * has; undefined where there is none for this model.
 * @param unfinished folder of what is kept of unfinished runs
 * @param texts folder of the texts' table and manifest; a table outside of a lake has none
 * @throws inputError when that file or the manifest is broken
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
 * @throws inputError when the kept one is broken, runError when it can't be written
 */
export function keepCosts(model: CostedModel, costs: CostTable, unfinished: string): CostTable {
  const folder = join(unfinished, folderName);
  const text = `${JSON.stringify({ ...model, costs })}\n`;
  const known = readCosts(unfinished);
  if (known !== undefined && isOf(model, known)) return known.costs;
  try {
    makeFolder(unfinished);
    // another model's is of no use any more
    if (known !== undefined) rmSync(folder, { recursive: true, force: true });
    if (placeFolder(folder, fileName, text)) return costs;
  } catch (error) {
    throw fileError(error, 'the cost table could not be kept', folder);
  }
  return keepCosts(model, costs, unfinished);
}

/**
 * Keeps a cost table as `keepCosts` does, and agrees with other machines on one where the lake is in an object store.
 * @param share where there are other machines
 */
export async function agreeOnCosts(
  model: CostedModel,
  costs: CostTable,
  unfinished: string,
  share?: ShareFile,
): Promise<CostTable> {
  const kept = keepCosts(model, costs, unfinished);
  if (share === undefined) return kept;
  const file = join(unfinished, folderName, fileName);
  const text = await share(file, (other) => {
    const known = parsed(other);
    return known !== undefined && isOf(model, known);
  });
  return parsed(text)?.costs ?? kept;
}

function parsed(text: string): z.output<typeof stored> | undefined {
  try {
    return stored.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Removes the cost table where nothing is kept any more that was made by it. */
export function releaseCosts(unfinished: string): void {
  const folder = join(unfinished, folderName);
  try {
    if (listFolder(unfinished).every((name) => name === folderName))
      rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    throw fileError(error, 'the cost table could not be removed', folder);
  }
}

function readCosts(unfinished: string): z.output<typeof stored> | undefined {
  const file = join(unfinished, folderName, fileName);
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
