import type { Comparison } from '../src/decode/compare.js';
import { runSummary } from '../src/report/summary.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { decode } from './decode.js';
import { pools } from './pools.js';
import { prompts } from './prompts.js';
import { publish } from './publish.js';
import { segment } from './segment.js';

const stages = [
  segment,
  prompts,
  pools,
  (context: StageContext) => decode(context, { compare: true }),
  publish,
] as const;

/** All stages of a partition in the order of the data's way, and a summary for people. */
export async function run(context: StageContext): Promise<StageResult> {
  const started = performance.now();
  const results: StageResult[] = [];
  for (const stage of stages) {
    context.signal.throwIfAborted();
    results.push(await stage(context));
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
    warnings: results.flatMap(({ warnings }) => warnings),
    tokensPerStep: decoded.tokensPerStep,
    comparison: decoded.comparison as Comparison | undefined,
    stages: Object.fromEntries(
      results.map((result) => [result.stage, { rows: result.rows, seconds: result.seconds }]),
    ),
    summary: runSummary(results, seconds),
  };
}
