import { existsSync } from 'node:fs';
import { attributeColumns, groupByAttributes } from '../src/cohorts/attributes.js';
import { type Continued, continueCohorts, type EarlierCohorts } from '../src/cohorts/names.js';
import { groupCollaboratively } from '../src/cohorts/users.js';
import type { Config } from '../src/config/schema.js';
import type { Duck } from '../src/lake/duck.js';
import { type Manifest, readManifest, replaceTable } from '../src/lake/manifest.js';
import { withWorkSession } from '../src/lake/work-session.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { openCheckedInputs } from './inputs.js';
import { previousCohorts, sourcesOf } from './origins.js';

/** What became of one entity type. */
export interface CohortSummary {
  /** How the users were placed; for items all by attributes. */
  placed: Record<string, number>;
  /** Cohort -> entities, the largest first. */
  sizes: Record<string, number>;
}

export interface Segmentation {
  warnings: string[];
  users: CohortSummary;
  items: CohortSummary;
  /** The largest number that a cohort of users has had, and how many go on from an earlier partition. */
  lastNumber: number;
  continued: number;
  /** Of the users' graph, the trivial first one included; empty without the collaborative method. */
  singularValues: number[];
}

/**
 * Groups users and items into cohorts: the table `cohorts` of the partition, one row for each user and item, ordered
 * by entity_type and entity_id. `distance` is the distance to the cohort's centre in the embedding (in units of the
 * users' root mean square component), null where the cohort has no centre for it.
 */
export async function segment(
  context: StageContext,
  options: { acceptTypes?: boolean } = {},
): Promise<StageResult> {
  const started = performance.now();
  const { config, lake, partition, progress, signal } = context;
  lake.prepare('cohorts', partition);
  return withWorkSession(context, 'cohorts', async (duck) => {
    progress.start('cohorts');
    progress.note('reading inputs');
    const { origin, checkUnchanged } = await sourcesOf('cohorts', context);
    const opened = await openCheckedInputs(duck, context, options);
    const check = () => signal.throwIfAborted();
    const earlier = await earlierCohorts(context);
    const note = (step: string) => progress.note(step);
    const result = await segmentTables(duck, config, { check, note, earlier });
    const rows = opened.itemCount + opened.userCount;
    const file = lake.file('cohorts', partition);
    const { warnings, ...summary } = result;
    checkUnchanged();
    await write(duck, file, {
      stage: 'segment',
      partition,
      rows,
      ratings: opened.ratingCount,
      ...summary,
      schema: opened.schema,
      origin,
    });
    progress.done();
    const seconds = (performance.now() - started) / 1000;
    const all = [...opened.warnings, ...warnings];
    return { stage: 'segment', partition, rows, files: [file], seconds, warnings: all, ...summary };
  });
}

export interface SegmentOptions {
  /** Called between two steps; throws to stop. */
  check?: () => void;
  /** Told what is being done. */
  note?: (step: string) => void;
  /** Cohorts to go on from. */
  earlier?: EarlierCohorts | undefined;
}

/**
 * The work of the stage within a session that holds the tables of `openInputs`: leaves the table
 * cohorts(entity_type, entity_id, cohort, distance).
 */
export async function segmentTables(
  duck: Duck,
  config: Pick<Config, 'cohorts' | 'inputs' | 'prompts'>,
  { check = () => undefined, note = () => undefined, earlier }: SegmentOptions = {},
): Promise<Segmentation> {
  await duck.script('segment/no-cohorts');
  await duck.script('segment/no-attributes');
  note('items');
  const { items } = config.cohorts;
  const warnings = await groupByAttributes(duck, {
    entityType: 'item',
    columns: items.columns.map((column) => ({ table: 'items', column })),
    groups: items.method === 'column' ? 'all' : items.groups,
  });
  note('users');
  const users = await segmentUsers(duck, config, check, earlier);
  warnings.push(...users.warnings);
  const sizes = await cohortSizes(duck);
  const itemCount = Object.values(sizes.item ?? {}).reduce((a, b) => a + b, 0);
  return {
    warnings,
    users: { placed: users.placed, sizes: sizes.user ?? {} },
    items: { placed: { attributes: itemCount }, sizes: sizes.item ?? {} },
    lastNumber: users.lastNumber,
    continued: users.taken,
    singularValues: users.singularValues,
  };
}

interface UserGroups extends Continued {
  warnings: string[];
  placed: Record<string, number>;
  singularValues: number[];
}

async function segmentUsers(
  duck: Duck,
  config: Pick<Config, 'cohorts' | 'inputs' | 'prompts'>,
  check: () => void,
  earlier: EarlierCohorts | undefined,
): Promise<UserGroups> {
  const { users, items } = config.cohorts;
  const { dislikedTo } = config.prompts.history;
  const own = config.inputs.users?.columns ?? {};
  if (users.method !== 'collaborative') {
    await duck.script('segment/likes', { params: { disliked_to: dislikedTo } });
    const groups = users.method === 'column' ? 'all' : users.groups;
    const columns = attributeColumns(users.columns, own);
    const warnings = await groupByAttributes(duck, { entityType: 'user', columns, groups });
    const [row] = await duck.rows("select count(*)::integer as n from cohorts where entity_type = 'user'");
    return { warnings, placed: { attributes: Number(row?.n) }, singularValues: [], taken: 0, lastNumber: 0 };
  }
  const { groups, minRatings, columns } = users;
  const found = await groupCollaboratively(duck, { groups, minRatings, dislikedTo, check });
  // Cold-start users: by the columns named for users, or else by those that make the items' cohorts.
  const names = columns.length > 0 ? columns : items.columns;
  const affinity = columns.length > 0 ? attributeColumns(names, own) : attributeColumns(names, {});
  const { taken, lastNumber } = await continueCohorts(duck, earlier, found.distanceTo, affinity);
  const [row] = await duck.scriptRows('segment/user-cohorts', { params: { last_number: lastNumber } });
  const { newest, ...counts } = row ?? {};
  const placed = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, Number(value)]));
  const { warnings, singularValues } = found;
  return { warnings, placed, singularValues, taken, lastNumber: Math.max(lastNumber, Number(newest)) };
}

async function cohortSizes(duck: Duck): Promise<Record<string, Record<string, number>>> {
  const sizes: Record<string, Record<string, number>> = {};
  for (const row of await duck.scriptRows('segment/summary')) {
    const ofType = sizes[String(row.entity_type)] ?? {};
    ofType[String(row.cohort)] = Number(row.size);
    sizes[String(row.entity_type)] = ofType;
  }
  return sizes;
}

/** The cohorts that this partition's go on from: of an earlier partition, else those that it had before. */
async function earlierCohorts({
  config,
  lake,
  partition,
}: StageContext): Promise<EarlierCohorts | undefined> {
  const { method, refit } = config.cohorts.users;
  if (method !== 'collaborative' || refit === 'anew') return undefined;
  const from = previousCohorts({ config, lake, partition }) ?? partition;
  const path = lake.file('cohorts', from);
  if (!existsSync(path)) return undefined;
  const { lastNumber } = (await readManifest(lake.dir('cohorts', from))) ?? {};
  return { path, lastNumber: Number(lastNumber ?? 0), keepMembers: refit === 'keep' };
}

async function write(duck: Duck, file: string, manifest: Manifest): Promise<void> {
  await replaceTable(file, 'the cohorts could not be written', manifest, (path) =>
    duck.script('segment/write', { params: { path } }),
  );
}
