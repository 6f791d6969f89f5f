import { type EvaluationRow, evaluationRows } from '../src/evaluate/rows.js';
import { comparedSettings } from '../src/evaluate/settings.js';
import { replaceTable } from '../src/lake/manifest.js';
import { withPartitionLock } from '../src/lake/partition-lock.js';
import { withWorkSession } from '../src/lake/work-session.js';
import { evaluationTable } from '../src/report/evaluation.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { sourcesOf } from './origins.js';
import { runTrials, type SettingTrial } from './trials.js';

export interface EvaluateOptions {
  /** Users, and items, whose prompts are decoded. */
  limit: number;
  /** Divergence budgets beside the configured one, in nats a text. */
  divergenceBudgets: readonly number[];
}

/**
 * `dare evaluate`: what relaxed verification changes in the texts of a partition and in their vectors, against
 * autoregressive decoding of the same prompts. Writes the table `evaluation`: a row for each setting, entity type and
 * framework.
 * @throws inputError without prompts or texts, and for mode sample
 */
export async function evaluate(context: StageContext, options: EvaluateOptions): Promise<StageResult> {
  const { config, lake, partition, log } = context;
  const started = performance.now();
  lake.prepare('evaluation', partition);
  return await withPartitionLock(lake, 'evaluation', partition, log, () =>
    withWorkSession(context, 'evaluation', async (duck) => {
      const { origin, checkUnchanged } = await sourcesOf('evaluation', context);
      await duck.script('features/faults');
      const settings = comparedSettings(config.decode, config.decode.nodes, options.divergenceBudgets);
      const { trials, warnings, ...about } = await runTrials(context, duck, settings, options.limit);
      const rows = rowsOf(trials);
      const speeds = trials.map(({ setting, tokensPerSecond }) => ({
        setting: setting.name,
        tokensPerSecond,
      }));
      const summary = { limit: options.limit, ...about, speeds };
      const manifest = { stage: 'evaluate', rows: rows.length, ...summary, origin };
      const file = lake.file('evaluation', partition);
      const params = { rows: JSON.stringify(rows), partition };
      checkUnchanged();
      await replaceTable(file, 'the evaluation could not be written', manifest, (path) =>
        duck.script('evaluate/write', { params: { ...params, path } }),
      );
      return {
        stage: 'evaluate',
        partition,
        rows: rows.length,
        files: [file],
        seconds: (performance.now() - started) / 1000,
        warnings,
        ...summary,
        results: rows,
        summary: `\n${evaluationTable(rows)}`,
      };
    }),
  );
}

/** The first trial is the reference. */
function rowsOf(trials: readonly SettingTrial[]): EvaluationRow[] {
  const reference = trials[0]?.texts ?? [];
  return trials.flatMap(({ setting, texts }) => evaluationRows(setting, texts, reference));
}
