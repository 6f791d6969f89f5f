import { existsSync } from 'node:fs';
import { FEATURE_COLUMNS } from '../src/config/combinations.js';
import type { Config } from '../src/config/schema.js';
import { joinShards } from '../src/decode/join.js';
import { inputError, messageOf, runError } from '../src/errors.js';
import type { Duck } from '../src/lake/duck.js';
import { openEntityCohorts } from '../src/lake/entity-cohorts.js';
import { replaceGeneration } from '../src/lake/generations.js';
import { readManifest } from '../src/lake/manifest.js';
import { withPartitionLock } from '../src/lake/partition-lock.js';
import { QueryProgress } from '../src/lake/query-progress.js';
import { withWorkSession } from '../src/lake/work-session.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { openCheckedInputs } from './inputs.js';
import { sourcesOf } from './origins.js';
import { checkQuality } from './quality.js';

/** What the texts' manifest says of all of them. */
interface Provenance {
  model: string;
  mode: string;
}

/**
 * Joins the partition's shards, if there are some, and writes its features: one row for every user and every item of
 * the inputs, the text and the vector of each framework in columns of their own. `user_id` and `item_id` have the
 * inputs' own types, so that a left join with the user's tables keeps their rows as they are.
 */
export async function publish(context: StageContext): Promise<StageResult> {
  const { lake, partition, log } = context;
  const started = performance.now();
  const source = lake.file('texts', partition);
  const shards = await joinShards(lake, partition, log);
  if (!existsSync(source)) {
    throw inputError(
      `there is no texts table for the partition ${partition}: ${source} is missing`,
      `Run dare decode --partition ${partition} first.`,
    );
  }
  const provenance = await readProvenance(lake.dir('texts', partition));
  lake.prepare('features', partition);
  return withPartitionLock(lake, 'features', partition, log, () =>
    publishTexts(context, { source, provenance, shards, started }),
  );
}

interface Publication {
  /** The texts table. */
  source: string;
  provenance: Provenance;
  /** How many were joined. */
  shards: number;
  started: number;
}

/** Shares of the time, as measured with 200,000 texts and vectors. */
const times = { judging: 0.35, joining: 0.2, writing: 0.45 };

function publishTexts(
  context: StageContext,
  { source, provenance, shards, started }: Publication,
): Promise<StageResult> {
  const { config, lake, partition } = context;
  return withWorkSession(context, 'features', async (duck) => {
    context.progress.start('features');
    const { origin, checkUnchanged } = await sourcesOf('features', context);
    const { warnings, itemCount, userCount } = await openCheckedInputs(duck, context);
    warnings.push(...(await openEntityCohorts(duck, lake, partition)));
    await openTexts(duck, source);
    const frameworks = await findFrameworks(duck, source, config.prompts.frameworks);
    const progress = await QueryProgress.open(duck, context.progress, itemCount + userCount);
    const quality = await progress.during(times.judging, () => checkQuality(duck, config, source));
    const { features, counts } = await progress.during(times.joining, async () => ({
      features: await joinFrameworks(duck, frameworks, config.publish.vectors),
      counts: await count(duck),
    }));
    checkEntities(counts, lake.file('cohorts', partition));
    warnings.push(...countWarnings(counts, source, itemCount + userCount));
    const file = lake.file('features', partition);
    const rows = counts.entities;
    const texts = counts.usable - counts.orphans;
    const summary = { frameworks, texts, failed: counts.failed, quality, ...provenance };
    const joined = shards === 0 ? {} : { shards };
    const manifest = { stage: 'publish', rows, ...summary, origin };
    const params = { ...provenance, partition };
    checkUnchanged();
    const generation = { lake, table: 'features', partition, keep: config.publish.keep > 0 } as const;
    await progress.during(times.writing, () =>
      replaceGeneration(generation, 'the features could not be written', manifest, (path) =>
        duck.script('features/write', { params: { path, ...params }, identifiers: { features } }),
      ),
    );
    context.progress.done();
    const seconds = (performance.now() - started) / 1000;
    return { stage: 'publish', partition, rows, files: [file], seconds, warnings, ...summary, ...joined };
  });
}

/** The view `texts`, checked: one row a prompt, and one an entity and framework. */
async function openTexts(duck: Duck, source: string): Promise<void> {
  let repeated: Record<string, unknown>[];
  try {
    await duck.script('features/texts', { params: { path: source } });
    repeated = await duck.scriptRows('features/repeated');
  } catch (error) {
    throw inputError(
      `the texts table ${source} can't be read: ${messageOf(error)}`,
      'Run dare decode again.',
      error,
    );
  }
  const [first] = repeated;
  if (first === undefined) return;
  throw runError(
    `the texts table ${source} has ${first.n} rows for the prompt "${first.prompt_id}" ` +
      `(${first.framework}, ${first.entity_type} "${first.entity_id}"); expected one`,
    'Run dare decode again.',
  );
}

/** The configured frameworks in their order, then others that the texts have. */
async function findFrameworks(duck: Duck, source: string, configured: readonly string[]): Promise<string[]> {
  const present = (await duck.scriptRows('features/frameworks')).map((row) => row.framework);
  if (present.includes(null)) {
    throw runError(
      `the texts table ${source} has rows without a framework, which have no column to go to`,
      'Run dare decode again.',
    );
  }
  const frameworks = [...new Set([...configured, ...(present as string[])])];
  const taken = new Map(FEATURE_COLUMNS.map((column) => [column, 'a column that every features table has']));
  for (const framework of frameworks) {
    for (const column of columnsOf(framework)) {
      // Column names that differ in case only are the same to SQL.
      const owner = taken.get(column.toLowerCase());
      if (owner !== undefined) {
        throw inputError(
          `the framework "${framework}" needs the column "${column}" of the features, but that is ${owner}`,
          'Give the framework another name in prompts.frameworks and its template files.',
        );
      }
      taken.set(column.toLowerCase(), `a column of the framework "${framework}"`);
    }
  }
  return frameworks;
}

function columnsOf(framework: string): [text: string, vector: string] {
  return [framework, `${framework}_vector`];
}

/** Adds the columns of the frameworks, one view on top of the other. Returns the name of the last. */
async function joinFrameworks(
  duck: Duck,
  frameworks: readonly string[],
  vectors: Config['publish']['vectors'],
): Promise<string> {
  await duck.script('features/entities');
  if (vectors !== 'none') await duck.script(`features/${vectors}`);
  const script = vectors === 'none' ? 'features/framework-text' : 'features/framework';
  for (const [index, framework] of frameworks.entries()) {
    const [column, vector_column] = columnsOf(framework);
    const earlier = `features_${index}`;
    const features = `features_${index + 1}`;
    const identifiers = { texts_of: `texts_of_${index}`, earlier, features, column, vector_column };
    try {
      await duck.script(script, { params: { framework }, identifiers });
    } catch (error) {
      const [, value] = /beyond float16: (\S+)/.exec(messageOf(error)) ?? [];
      if (value === undefined) throw error;
      throw inputError(
        `a vector of the framework "${framework}" holds ${value}, which float16 can't: its largest number is 65504`,
        'Set publish.vectors to float32 or none.',
        error,
      );
    }
  }
  return `features_${frameworks.length}`;
}

interface Counts {
  entities: number;
  /** Texts without an error. */
  usable: number;
  failed: number;
  /** Usable texts of users and items that have no row in the features. */
  orphans: number;
  /** Users and items of the cohorts that the inputs don't have. */
  strangers: number;
}

async function count(duck: Duck): Promise<Counts> {
  const [row] = await duck.scriptRows('features/counts');
  return row as unknown as Counts;
}

/** @throws inputError where the inputs aren't those that the partition was made of */
function checkEntities({ strangers }: Counts, cohorts: string): void {
  if (strangers === 0) return;
  throw inputError(
    `${strangers} users or items of the cohorts in ${cohorts} are not in the inputs: those are of another day, or of another catalogue`,
    'Name the inputs that the partition was made of (--set inputs...), or run dare run, which makes all of it anew.',
  );
}

function countWarnings(
  { entities, usable, failed, orphans }: Counts,
  source: string,
  known: number,
): string[] {
  const warnings: string[] = [];
  if (failed > 0) {
    warnings.push(
      `${failed} of ${usable + failed} prompts in ${source} have no text (see its column error); their features are empty`,
    );
  }
  if (orphans > 0) {
    warnings.push(
      `${orphans} texts in ${source} are of users or items that the partition doesn't have; they were left out`,
    );
  }
  if (entities < known) {
    warnings.push(
      `${known - entities} users or items of the inputs are not in the partition's cohorts (newer than these, or forgotten); they have no features`,
    );
  }
  return warnings;
}

/** Model and mode of the texts, as decode wrote them into the manifest beside the table. */
async function readProvenance(dir: string): Promise<Provenance> {
  const { model, mode } = (await readManifest(dir)) ?? {};
  if (typeof model === 'string' && typeof mode === 'string') return { model, mode };
  throw inputError(
    `the manifest of the texts in ${dir} is missing or does not say model and mode, which every row of the features tells`,
    'Run dare decode again: it writes the manifest after the texts.',
  );
}
