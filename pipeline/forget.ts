import { readFileSync, rmSync } from 'node:fs';
import type { Duck } from '../src/lake/duck.js';
import {
  forgetEarlier,
  forgetTable,
  forgetUnfinished,
  forgetWarnings,
  lookFor,
  type Rewritten,
  type Whom,
} from '../src/lake/forget.js';
import { findGarbage } from '../src/lake/garbage.js';
import { allTableNames, listFolder } from '../src/lake/lake.js';
import { changeOrigins } from '../src/lake/lineage.js';
import { readManifest } from '../src/lake/manifest.js';
import { fingerprintOf, originOf } from '../src/lake/origin.js';
import { withWholePartition } from '../src/lake/partition-lock.js';
import { withWorkSession } from '../src/lake/work-session.js';
import type { CommandResult, StageContext } from '../src/stage.js';
import { unreadable } from '../src/unreadable.js';
import { noteRun } from './last-run.js';
import { pools } from './pools.js';

const tables = ['cohorts', 'prompts', 'texts', 'features'] as const;

interface Removed {
  partition: string;
  /** A table, `earlier features` or `unfinished texts`. */
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
  const partitions = partitionsOf(context);
  const place = { ...context, partition: partitions.at(-1) ?? context.partition };
  await lockedAll(context, partitions, () =>
    withWorkSession(place, 'texts', async (duck) => {
      await lookFor(duck, whom);
      const renewed = new Map<string, string>();
      for (const partition of partitions)
        removed.push(...(await forgetTables(context, duck, partition, renewed)));
      rebuilt = await rebuildPools(context, partitions, renewed);
      for (const partition of partitions) {
        const rows = await forgetUnfinished(duck, lake, partition, renewed, context.log);
        removed.push({ partition, table: 'unfinished texts', rows });
      }
      await changeOrigins(lake, (_, old) => (old === null ? null : (renewed.get(old) ?? old)));
      for (const partition of partitions) await forgetWarnings(lake, partition, whom);
      // reports quote texts and ids; they are made anew when they are asked for
      for (const partition of partitions) rmSync(lake.report(partition), { force: true });
      for (const path of findGarbage(lake)) rmSync(path, { recursive: true, force: true });
    }),
  );
  const found = removed.filter(({ rows }) => rows > 0);
  const rows = found.reduce((sum, one) => sum + one.rows, 0);
  const warnings = warningsOf(context, rows);
  const seconds = (performance.now() - started) / 1000;
  return {
    stage: 'forget',
    rows,
    removed: found,
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

/** Builds those pools anew whose texts changed since. Returns their partitions. */
async function rebuildPools(
  context: StageContext,
  partitions: readonly string[],
  renewed: Map<string, string>,
): Promise<string[]> {
  const rebuilt: string[] = [];
  for (const partition of partitions) {
    const dir = context.lake.dir('pools', partition);
    const before = fingerprintOf(await readManifest(dir));
    if (before === null || !(await haveOtherTexts(context, partition))) continue;
    const place = { ...context, partition };
    await noteRun('pools', await pools(place), place);
    const now = fingerprintOf(await readManifest(dir));
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

function warningsOf({ config }: StageContext, rows: number): string[] {
  const { texts } = config.pools;
  return [
    ...(rows === 0 ? ['no table has rows of any of them'] : []),
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
