import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duck } from '../src/lake/duck.js';
import {
  firstRoundTexts,
  forgetEarlier,
  forgetFirstRound,
  forgetTable,
  forgetUnfinished,
  lookFor,
  notFoundIn,
  type Rewritten,
  type Whom,
} from '../src/lake/forget.js';
import { forgetPairs, forgetWarnings } from '../src/lake/forget-manifests.js';
import { findGarbage } from '../src/lake/garbage.js';
import { allTableNames, type Lake, listFolder } from '../src/lake/lake.js';
import { changeOrigins } from '../src/lake/lineage.js';
import { readManifest } from '../src/lake/manifest.js';
import { fingerprintOf, originOf } from '../src/lake/origin.js';
import { withWholePartition } from '../src/lake/partition-lock.js';
import { withWorkSession } from '../src/lake/work-session.js';
import type { CommandResult, StageContext } from '../src/stage.js';
import { unreadable } from '../src/unreadable.js';
import { noteRun } from './last-run.js';
import { areOfFirstRound, firstRoundPools, pools } from './pools.js';

/** Ids of those who weren't found that a warning names. */
const mostShown = 5;

const tables = ['cohorts', 'prompts', 'texts', 'features'] as const;

interface Removed {
  partition: string;
  /** A table, `earlier features`, `unfinished texts` or `pairs of texts of the evaluation`. */
  table: string;
  rows: number;
}

/** The ids of a file, one a line; empty lines are left out. @throws inputError where it can't be read */
export function idsIn(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split(/\r?\n/)
      .filter((id) => id !== '');
  } catch (error) {
    throw unreadable(error, `--users: ${file}`, 'Expected a text file with one id a line.');
  }
}

/**
 * Removes users and items from all tables of all partitions, from what is kept beside them, and from the pools that were
 * made of their texts. Tables that were fresh stay fresh. Interrupted it can be run again: what it hasn't reached then is
 * found, and tables whose source changed meanwhile are stale at worst.
 * @throws runError where a run is at work on a partition
 */
export async function forget(context: StageContext, whom: Whom): Promise<CommandResult> {
  const { lake } = context;
  const started = performance.now();
  const removed: Removed[] = [];
  let rebuilt: string[] = [];
  let notFound: Whom = whom;
  const partitions = partitionsOf(context);
  const place = { ...context, partition: partitions.at(-1) ?? context.partition };
  await lockedAll(context, partitions, () =>
    withWorkSession(place, 'texts', async (duck) => {
      await lookFor(duck, whom);
      const files = partitions.flatMap((partition) => tables.map((table) => lake.file(table, partition)));
      notFound = await notFoundIn(
        duck,
        files.filter((file) => existsSync(file)),
        whom,
      );
      const renewed = new Map<string, string>();
      const unfinished = new Map<string, number>();
      for (const partition of partitions) {
        removed.push(...(await forgetTables(context, duck, partition, renewed)));
        unfinished.set(partition, await forgetFirstRound(duck, lake, partition));
      }
      const copy = join(lake.prepareWork('texts', place.partition), 'first-round.parquet');
      rebuilt = await rebuildPools(context, partitions, renewed, (partition) =>
        firstRoundTexts(duck, lake, partition, copy),
      );
      for (const partition of partitions) {
        const rows = await forgetUnfinished(duck, lake, partition, renewed, context.log);
        removed.push({
          partition,
          table: 'unfinished texts',
          rows: rows + (unfinished.get(partition) ?? 0),
        });
      }
      await changeOrigins(lake, (_, old) => (old === null ? null : (renewed.get(old) ?? old)));
      for (const partition of partitions) {
        await forgetWarnings(lake, partition, whom);
        const pairs = await forgetPairs(lake, partition, whom);
        removed.push({ partition, table: 'pairs of texts of the evaluation', rows: pairs });
      }
      // reports quote texts and ids; they are made anew when they are asked for
      for (const partition of partitions) rmSync(lake.report(partition), { force: true });
      for (const path of findGarbage(lake)) rmSync(path, { recursive: true, force: true });
    }),
  );
  const found = removed.filter(({ rows }) => rows > 0);
  const rows = found.reduce((sum, one) => sum + one.rows, 0);
  const warnings = [...warningsOf(context, rows, notFound), ...(await unknownTexts(lake, partitions))];
  const seconds = (performance.now() - started) / 1000;
  return {
    stage: 'forget',
    rows,
    removed: found,
    notFound,
    pools: rebuilt,
    seconds,
    warnings,
    summary: summaryOf(found, rebuilt),
  };
}

/** All that the lake has something of, in order. */
function partitionsOf({ lake }: StageContext): string[] {
  const kept = ['_unfinished/texts', '_earlier/features'].flatMap((folder) =>
    listFolder(`${lake.root}/${folder}`).flatMap((name) => /^partition=(.+)$/.exec(name)?.[1] ?? []),
  );
  const names = [...allTableNames.flatMap((table) => lake.partitions(table)), ...kept];
  return [...new Set(names)].filter((name) => !/\.tmp-/.test(name)).sort();
}

/** Does `work` while no run is at work on any of the partitions. */
function lockedAll(
  context: StageContext,
  [first, ...others]: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  if (first === undefined) return work();
  return withWholePartition(context.lake, first, context.log, () => lockedAll(context, others, work));
}

async function forgetTables(
  { lake, signal }: StageContext,
  duck: Duck,
  partition: string,
  renewed: Map<string, string>,
): Promise<Removed[]> {
  const removed: Removed[] = [];
  const enter = (table: string, { rows, renewed: change }: Rewritten) => {
    if (change !== undefined) renewed.set(...change);
    removed.push({ partition, table, rows });
  };
  for (const table of tables) {
    signal.throwIfAborted();
    enter(table, await forgetTable(duck, lake, table, partition, renewed));
  }
  enter('earlier features', await forgetEarlier(duck, lake, partition));
  return removed;
}

/**
 * Builds those pools anew whose texts changed since. No manifest says which texts those of a first round were made of: they
 * are built of those that are left of it, which makes the same pools where none is missing. Returns their partitions.
 * @param firstRound the files of texts that are left
 */
async function rebuildPools(
  context: StageContext,
  partitions: readonly string[],
  renewed: Map<string, string>,
  firstRound: (partition: string) => Promise<string[]>,
): Promise<string[]> {
  const rebuilt: string[] = [];
  for (const partition of partitions) {
    const dir = context.lake.dir('pools', partition);
    const manifest = await readManifest(dir);
    const before = fingerprintOf(manifest);
    if (before === null) continue;
    const place = { ...context, partition };
    const ofFirstRound = areOfFirstRound(manifest);
    if (!ofFirstRound && !(await haveOtherTexts(context, partition))) continue;
    const result = ofFirstRound
      ? await firstRoundPools(place, await firstRound(partition), false)
      : await pools(place);
    await noteRun('pools', result, place);
    const now = fingerprintOf(await readManifest(dir));
    if (now === before) continue;
    if (now !== null) renewed.set(before, now);
    rebuilt.push(partition);
  }
  return rebuilt;
}

/** Whether a table of texts that the pools of a partition were made of isn't what it was. */
async function haveOtherTexts({ lake }: StageContext, partition: string): Promise<boolean> {
  const manifest = (await readManifest(lake.dir('pools', partition))) ?? {};
  for (const [name, fingerprint] of Object.entries(originOf(manifest)?.tables ?? {})) {
    const source = /^texts of (.+)$/.exec(name)?.[1];
    if (source === undefined) continue;
    if (fingerprintOf(await readManifest(lake.dir('texts', source))) !== fingerprint) return true;
  }
  return false;
}

/** Pools of texts that no manifest names any more: those of partitions that were pruned. They can't be looked through. */
async function unknownTexts(lake: Lake, partitions: readonly string[]): Promise<string[]> {
  const unknown: string[] = [];
  for (const partition of partitions) {
    const manifest = (await readManifest(lake.dir('pools', partition))) ?? {};
    const origin = originOf(manifest);
    if (fingerprintOf(manifest) === null || origin === undefined || areOfFirstRound(manifest)) continue;
    const known = Object.keys({ ...origin.tables, ...origin.files }).filter((name) =>
      /^(texts of .+|pools\.texts)$/.test(name),
    );
    if (known.length < Number(manifest.sources ?? 0)) unknown.push(partition);
  }
  return unknown.length === 0
    ? []
    : [
        `pools of ${unknown.join(', ')} are made of texts that are no longer in the lake, perhaps also of theirs: ` +
          'dare pools --partition P builds them anew without these texts',
      ];
}

function warningsOf({ config }: StageContext, rows: number, { users, items }: Whom): string[] {
  const { texts } = config.pools;
  const lacking = [...users.map((id) => `user "${id}"`), ...items.map((id) => `item "${id}"`)];
  const shown = lacking.slice(0, mostShown).join(', ');
  const rest =
    lacking.length > mostShown ? ` and ${lacking.length - mostShown} more (notFound of the JSON line)` : '';
  return [
    ...(rows === 0 ? ['no table has rows of any of them'] : []),
    ...(rows > 0 && lacking.length > 0
      ? [`no table has rows of ${shown}${rest}: ids count as they are written, with blanks and quotes`]
      : []),
    ...(texts === undefined
      ? []
      : [`pools are made of ${texts} (pools.texts): clean these texts yourself, then run dare pools`]),
  ];
}

function summaryOf(removed: readonly Removed[], rebuilt: readonly string[]): string {
  const lines = removed.map(({ partition, table, rows }) => `${partition}  ${table}  ${rows} rows removed`);
  return [
    ...lines,
    ...rebuilt.map((partition) => `${partition}  pools  built anew`),
    'The inputs are yours to clean: from them the next partition would have the users and items again.',
  ].join('\n');
}
