import type { Comparison } from '../src/decode/compare.js';
import { observed } from '../src/report/observe.js';
import { runSummary } from '../src/report/summary.js';
import { onLake, type StageContext, type StageResult } from '../src/stage.js';
import { decode } from './decode.js';
import { freshness, skippedResult, type TableStage, tableOfStage } from './freshness.js';
import { noteRun } from './last-run.js';
import { filesRead } from './origins.js';
import { pools } from './pools.js';
import { preflight } from './preflight.js';
import { prompts } from './prompts.js';
import { publish } from './publish.js';
import { segment } from './segment.js';

type Stage = (context: StageContext, options: RunOptions) => Promise<StageResult>;

const stages: Readonly<Record<TableStage, Stage>> = {
  segment,
  prompts: (context) => prompts(context),
  pools: (context) => pools(context),
  decode: (context) => decode(context, { compare: true }),
  publish: (context) => publish(context),
};

export interface RunOptions {
  /** Runs stages whose tables are fresh too. */
  force?: boolean;
  /** Takes columns of the inputs whose types have changed. */
  acceptTypes?: boolean;
}

/**
 * The stages of a partition whose tables are missing or stale, in the order of the data's way, and a summary for people.
 * @throws what a stage throws; before the first one inputError for whatever `preflight` finds
 */
export async function run(context: StageContext, options: RunOptions = {}): Promise<StageResult> {
  const started = performance.now();
  await preflight(context);
  const results: StageResult[] = [];
  for (const stage of Object.keys(stages) as TableStage[]) {
    context.signal.throwIfAborted();
    results.push(await runOrSkip(stage, context, options));
  }
  const seconds = (performance.now() - started) / 1000;
  const decoded = results.find(({ stage }) => stage === 'decode') as StageResult;
  const published = results.at(-1) as StageResult;
  return {
    stage: 'run',
    partition: context.partition,
    rows: published.rows,
    files: results.flatMap(({ files }) => files),
    seconds,
    // several stages read the inputs, and say the same of them
    warnings: [...new Set(results.flatMap(({ warnings }) => warnings))],
    skipped: results.every(({ skipped }) => skipped === true),
    tokensPerStep: decoded.tokensPerStep,
    comparison: decoded.comparison as Comparison | undefined,
    stages: Object.fromEntries(results.map((result) => [result.stage, ownLine(result)])),
    summary: runSummary(results, seconds),
  };
}

async function runOrSkip(
  stage: TableStage,
  context: StageContext,
  options: RunOptions,
): Promise<StageResult> {
  const { state, reasons } = await freshness(tableOfStage[stage], context);
  if (state === 'fresh' && options.force !== true) {
    context.log.info({ stage }, `${stage}: skipped, its table is fresh`);
    await context.store?.finish(stage);
    return skippedResult(stage, context);
  }
  const why = state === 'fresh' ? 'its table is fresh, but --force was given' : `its table is ${state}`;
  context.log.info({ stage, reasons }, `${stage}: ${[why, ...reasons].join('; ')}`);
  const scope = {
    stage,
    partition: context.partition,
    inputs: () => filesRead(tableOfStage[stage], context),
  };
  return await observed(context.watch, scope, async () =>
    onLake(context, stage, async () => noteRun(stage, await stages[stage](context, options), context)),
  );
}

/** What the run's line has of its stages already. */
const ofTheRun = new Set(['stage', 'partition', 'files', 'warnings', 'comparison']);

/** The rest of a stage's own line. */
function ownLine(result: StageResult): Record<string, unknown> {
  return Object.fromEntries(Object.entries(result).filter(([name]) => !ofTheRun.has(name)));
}
