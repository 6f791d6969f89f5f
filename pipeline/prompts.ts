import { type DuckDBValue, INTEGER, VARCHAR } from 'duckdb';
import { ChunkAppender } from '../src/lake/chunk-appender.js';
import type { Duck } from '../src/lake/duck.js';
import { openEntityCohorts } from '../src/lake/entity-cohorts.js';
import { type Manifest, replaceTable } from '../src/lake/manifest.js';
import { withWorkSession } from '../src/lake/work-session.js';
import { loadTextModel } from '../src/model/text.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { fieldText } from '../src/text/field.js';
import { type EntityType, type PromptPlan, type PromptTask, planPrompts } from '../src/text/prompt-plan.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { openCheckedInputs } from './inputs.js';
import { sourcesOf } from './origins.js';

/** Rows of a page: what is rendered between two looks at the signal, and all that JavaScript holds at once. */
const pageRows = 8192;

interface TaskCount {
  framework: string;
  entityType: EntityType;
  prompts: number;
  /** Entities that lack what the template requires (a liked item, a description), or have no value at all. */
  withoutPrompt: number;
}

/**
 * Writes the prompts of all configured frameworks for all items and users: the table `prompts` of the partition,
 * ordered by prompt_id. Templates are rendered page by page; histories are built in SQL.
 */
export async function prompts(context: StageContext): Promise<StageResult> {
  const started = performance.now();
  const { config, lake, partition } = context;
  const plan = planPrompts(config);
  const model = loadTextModel(config.model.path, config.model.cache);
  lake.prepare('prompts', partition);
  return withWorkSession(context, 'prompts', async (duck) => {
    const { origin, checkUnchanged } = await sourcesOf('prompts', context);
    const opened = await openCheckedInputs(duck, context);
    const warnings = [...opened.warnings, ...(await openEntityCohorts(duck, lake, partition))];
    const { rows, tokens, counts } = await renderAll(duck, plan, model, context, opened);
    warnings.push(...counts.flatMap(missingWarning));
    const file = lake.file('prompts', partition);
    checkUnchanged();
    await write(duck, file, { stage: 'prompts', rows, prompt_tokens: tokens, counts, origin });
    const seconds = (performance.now() - started) / 1000;
    return {
      stage: 'prompts',
      partition,
      rows,
      files: [file],
      seconds,
      warnings,
      promptTokens: tokens,
      counts,
    };
  });
}

/** Fills the table `rendered`. Items come first: users' histories are made of their entries. */
async function renderAll(
  duck: Duck,
  plan: PromptPlan,
  model: TextModel,
  context: StageContext,
  { itemCount, userCount }: { itemCount: number; userCount: number },
): Promise<PromptTable> {
  const { liked, likedFrom, disliked, dislikedTo } = context.config.prompts.history;
  await duck.script('prompts/items');
  const table = await PromptTable.create(duck, plan.tasks, model);
  const entries = await ChunkAppender.open(duck, 'history_entries', [VARCHAR, VARCHAR]);
  context.progress.start('prompts', itemCount + userCount);
  await forEachRow(duck, plan, 'item', itemCount, context, (row) => {
    table.add(row);
    const entry = plan.historyEntry?.(row.values);
    if (entry !== undefined) entries.append([row.id, entry]);
  });
  entries.close();
  const params = { liked, liked_from: likedFrom, disliked, disliked_to: dislikedTo };
  await duck.script('prompts/users', { params });
  await forEachRow(duck, plan, 'user', userCount, context, (row) => table.add(row));
  table.close();
  context.progress.done();
  return table;
}

interface EntityRow {
  entityType: EntityType;
  id: string;
  cohort: string | null;
  /** As text, in the order of the plan's columns; empty for those that no template names. */
  values: string[];
}

/** The table `rendered` in the making. */
class PromptTable {
  tokens = 0;
  readonly counts: TaskCount[];

  private constructor(
    private readonly tasks: readonly PromptTask[],
    private readonly model: TextModel,
    private readonly appender: ChunkAppender,
  ) {
    this.counts = tasks.map(({ framework, entityType }) => {
      return { framework, entityType, prompts: 0, withoutPrompt: 0 };
    });
  }

  static async create(duck: Duck, tasks: readonly PromptTask[], model: TextModel): Promise<PromptTable> {
    await duck.script('prompts/rendered');
    const types = [VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, VARCHAR, INTEGER];
    return new PromptTable(tasks, model, await ChunkAppender.open(duck, 'rendered', types));
  }

  /** The prompts of one item or user, one for each framework that has something to ask. */
  add({ entityType, id, cohort, values }: EntityRow): void {
    for (const [index, task] of this.tasks.entries()) {
      if (task.entityType !== entityType) continue;
      const count = this.counts[index] as TaskCount;
      const prompt = task.render(values);
      if (prompt === undefined) {
        count.withoutPrompt++;
        continue;
      }
      const promptId = `${task.framework}:${entityType}:${id}`;
      const tokens = this.model.encodePrompt(prompt).length;
      this.appender.append([promptId, entityType, id, task.framework, cohort, prompt, tokens]);
      count.prompts++;
      this.tokens += tokens;
    }
  }

  get rows(): number {
    return this.counts.reduce((sum, count) => sum + count.prompts, 0);
  }

  close(): void {
    this.appender.close();
  }
}

/** Calls `use` for every item or user, in the order of their ids. */
async function forEachRow(
  duck: Duck,
  plan: PromptPlan,
  entityType: EntityType,
  rowCount: number,
  { signal, progress }: StageContext,
  use: (row: EntityRow) => void,
): Promise<void> {
  for (let first = 0; first < rowCount; first += pageRows) {
    signal.throwIfAborted();
    const page = await duck.script(`prompts/${entityType}-page`, {
      params: { first, last: first + pageRows },
    });
    const names = page.columnNames();
    const data = await page.getColumns();
    const column = (name: string) => data[names.indexOf(name)] as DuckDBValue[];
    const texts = plan.columns[entityType].map((name) => {
      if (!plan.used[entityType].has(name)) return undefined;
      const type = page.columnType(names.indexOf(name));
      return column(name).map((value) => fieldText(value, type));
    });
    const cohorts = column('_cohort') as (string | null)[];
    for (const [row, id] of (column(`${entityType}_id`) as string[]).entries()) {
      const values = texts.map((text) => text?.[row] ?? '');
      use({ entityType, id, cohort: cohorts[row] ?? null, values });
    }
    progress.advance(Math.min(pageRows, rowCount - first));
  }
}

async function write(duck: Duck, file: string, manifest: Manifest): Promise<void> {
  await replaceTable(file, 'the prompts could not be written', manifest, (path) =>
    duck.script('prompts/write', { params: { path } }),
  );
}

function missingWarning({ framework, entityType, prompts: made, withoutPrompt }: TaskCount): string[] {
  if (withoutPrompt === 0) return [];
  const all = made + withoutPrompt;
  const lack =
    entityType === 'user' ? 'nothing liked, or a required column is empty' : 'a required column is empty';
  return [`${framework}: ${withoutPrompt} of ${all} ${entityType}s have no prompt (${lack})`];
}
