import { statSync } from 'node:fs';
import { join } from 'node:path';
import { listValue } from 'duckdb';
import { DareError, messageOf } from '../errors.js';
import { Duck, type DuckOptions, listOfFiles } from './duck.js';
import { fileError } from './file-error.js';
import { makeFolder } from './folder.js';
import { type Manifest, publishTable } from './manifest.js';
import { discard, publishFile, temporaryBeside } from './publish.js';

export interface SortOptions extends Omit<DuckOptions, 'tempDirectory'> {
  /** Stored under the key `dare` of the file's metadata, as JSON. */
  metadata?: Record<string, unknown>;
  /** Published with the table; without it there is none. */
  manifest?: Manifest;
  /** The parts are in order already, and may be of any size. */
  ordered?: boolean;
  /** Keeps the columns that rows have only until their table is made. */
  inTheMaking?: boolean;
}

/** Rows of a row group; DuckDB makes no smaller ones. */
const groupRows = 2048;
/** Parts are put into order in memory together up to so many compressed bytes, which takes about four times as much. */
export const runBytes = 16 << 20;
/** A slice is put into order in memory too. */
const sliceBytes = 8 << 20;

/**
 * Joins parts written by FeatureWriter into one file ordered by prompt_id, published in one step: the table doesn't
 * depend on the order in which rows were finished. No parts make an empty, typed table. Returns the number of rows.
 *
 * DuckDB's own sort of long rows fails below some 300 MB, even where it spills. So runs of some parts are put into order
 * by themselves, slices of about a run's size are merged from all of them, and the slices are copied one after the
 * other: memory is bounded by a run or the largest part, or by a row group if that is larger. A slice reads a row group
 * at least of each run that it overlaps: few where rows are finished nearly in order, all where they are in none.
 * Meanwhile the rows take up to three times their size on the disk beside the parts.
 * @throws runError when a part can't be read or the disk fails; the old file stays then
 */
export async function sortInto(
  parts: readonly string[],
  final: string,
  options: SortOptions = {},
): Promise<number> {
  const { metadata, manifest, ordered = false, inTheMaking = false, ...limits } = options;
  const temporary = temporaryBeside(final);
  const folder = `${temporary}.spill`;
  let duck: Duck | undefined;
  try {
    makeFolder(folder);
    duck = await openDuck(join(folder, 'spilled'), limits);
    const files = parts.length > 0 ? parts : [await emptyPart(folder)];
    const { runs, rows } = ordered
      ? { runs: [...files], rows: await countRows(duck, files) }
      : await sortParts(duck, files, folder);
    const slices = runs.length > 1 ? await mergeRuns(duck, runs, rows, folder) : runs;
    if (!ordered) for (const run of runs) if (!slices.includes(run)) await discard(run);
    const { rowsChanged } = await duck.script(inTheMaking ? 'lake/texts-first-round' : 'lake/texts-final', {
      params: { files: listValue(slices), final: temporary, metadata: JSON.stringify(metadata ?? {}) },
      types: listOfFiles,
    });
    if (rowsChanged !== rows) throw new Error(`${rows} rows were to be joined, ${rowsChanged} were written`);
    if (manifest === undefined) await publishFile(temporary, final);
    else await publishTable(temporary, final, manifest);
    return rows;
  } catch (error) {
    await discard(temporary);
    if (error instanceof DareError) throw error;
    throw fileError(
      new Error(messageOf(error).split('\n')[0], { cause: error }),
      'the parts could not be joined',
      final,
    );
  } finally {
    duck?.close();
    await discard(folder);
  }
}

/** Vectors of 4,096 floats were seen to take 340 MB in all, those of 256 take 200 MB at most. */
async function openDuck(tempDirectory: string, limits: DuckOptions): Promise<Duck> {
  const settings = { memoryLimit: '1GB', threads: 1, tempDirectory, ...limits };
  const duck = await Duck.open(settings);
  await duck.script('lake/read-once');
  return duck;
}

async function emptyPart(folder: string): Promise<string> {
  // takes a while to load, and is seldom needed here
  const { FeatureWriter } = await import('./writer.js');
  const file = join(folder, 'empty.parquet');
  await (await FeatureWriter.open(file)).close();
  return file;
}

/** Puts runs of parts into order. */
async function sortParts(
  duck: Duck,
  parts: readonly string[],
  folder: string,
): Promise<{ runs: string[]; rows: number }> {
  const runs: string[] = [];
  let rows = 0;
  for (const files of inGroups(parts)) {
    const run = join(folder, `run-${runs.length}.parquet`);
    const params = { files: listValue(files), run };
    rows += (await duck.script('lake/texts-run', { params, types: listOfFiles })).rowsChanged;
    runs.push(run);
  }
  return { runs, rows };
}

/** Parts one after the other that are no larger together than a run, or one that is larger by itself. */
function inGroups(parts: readonly string[]): string[][] {
  const groups: string[][] = [];
  let bytes = 0;
  for (const part of parts) {
    const { size } = statSync(part);
    const group = groups.at(-1);
    if (group === undefined || bytes + size > runBytes) {
      groups.push([part]);
      bytes = size;
    } else {
      group.push(part);
      bytes += size;
    }
  }
  return groups;
}

async function countRows(duck: Duck, files: readonly string[]): Promise<number> {
  let rows = 0;
  for (const sorted of files) {
    const [count] = await duck.scriptRows('lake/text-count', { params: { sorted } });
    rows += Number(count?.texts);
  }
  return rows;
}

/** Merges ordered files into files that are in order one after the other. */
async function mergeRuns(duck: Duck, runs: string[], rows: number, folder: string): Promise<string[]> {
  // whole row groups, so that the table's don't depend on where slices end
  const bytes = runs.reduce((sum, run) => sum + statSync(run).size, 0);
  const sliceCount = Math.max(runs.length, Math.ceil(bytes / sliceBytes));
  const sliceRows = Math.max(1, Math.floor(rows / sliceCount / groupRows)) * groupRows;
  const slices: string[] = [];
  for (const range of await sliceRanges(runs, sliceRows, folder)) {
    const slice = join(folder, `slice-${slices.length}.parquet`);
    await duck.script('lake/texts-slice', {
      params: { files: listValue(runs), ...range, slice },
      types: listOfFiles,
    });
    slices.push(slice);
  }
  return slices;
}

/** With a limit of its own: ids are short, so their sort spills well, and would take all that it may. */
async function sliceRanges(
  runs: readonly string[],
  rows: number,
  folder: string,
): Promise<{ first: string; last: string }[]> {
  const duck = await openDuck(join(folder, 'spilled-ids'), { memoryLimit: '128MB' });
  try {
    const params = { files: listValue([...runs]), rows };
    const ranges = await duck.scriptRows('lake/texts-slices', { params, types: listOfFiles });
    return ranges as { first: string; last: string }[];
  } finally {
    duck.close();
  }
}
