import { changedPairs, type TextPair } from '../src/evaluate/pairs.js';
import { type EvaluationRow, evaluationRows } from '../src/evaluate/rows.js';
import { comparedSettings } from '../src/evaluate/settings.js';
import { replaceTable } from '../src/lake/manifest.js';
import { loadTextModel } from '../src/model/text.js';
import { downstreamTable, evaluationTable } from '../src/report/evaluation.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { marksOf } from '../src/text/marks.js';
import { type ClickResult, downstream } from './downstream.js';
import { sourcesOf } from './origins.js';
import { runTrials, type SettingTrial, withTrialSession } from './trials.js';

/**
 * `dare evaluate`: what relaxed verification changes in the texts of a partition, in their vectors and in a click model that
 * is given them, against autoregressive decoding of the same prompts. Writes the table `evaluation`: a row for each
 * setting, entity type and framework, and one for each click model; its manifest keeps some pairs of texts (`pairs`), which
 * the report shows.
 * @throws inputError without prompts or texts, and for mode sample
 */
export async function evaluate(context: StageContext): Promise<StageResult> {
  const { config, lake, partition } = context;
  const { limit, divergenceBudgets } = config.evaluate;
  const started = performance.now();
  return await withTrialSession(context, async (duck) => {
    const { origin, checkUnchanged } = await sourcesOf('evaluation', context);
    const settings = comparedSettings(config.decode, config.decode.nodes, divergenceBudgets);
    const { trials, warnings, costs: _costs, ...about } = await runTrials(context, duck, settings, limit);
    const rows = rowsOf(trials);
    const clicks = await downstream(context, duck, trials);
    warnings.push(...clicks.warnings);
    const speeds = trials.map(({ setting, tokensPerSecond }) => ({
      setting: setting.name,
      tokensPerSecond,
    }));
    const { ratings, seeds, statement, results } = clicks;
    const summary = {
      limit,
      ...about,
      speeds,
      downstream: { ratings, seeds, statement, results },
    };
    const table = [...rows, ...results.map(clickRow)];
    const manifest = {
      stage: 'evaluate',
      rows: table.length,
      ...summary,
      origin,
      pairs: pairsOf(context, trials),
    };
    const file = lake.file('evaluation', partition);
    const params = { rows: JSON.stringify(table), partition };
    checkUnchanged();
    lake.prepare('evaluation', partition);
    await replaceTable(file, 'the evaluation could not be written', manifest, (path) =>
      duck.script('evaluate/write', { params: { ...params, path } }),
    );
    return {
      stage: 'evaluate',
      partition,
      rows: table.length,
      files: [file],
      seconds: (performance.now() - started) / 1000,
      warnings,
      ...summary,
      results: rows,
      summary: `\n${evaluationTable(rows)}\n\n${downstreamTable(results)}\n${statement}`,
    };
  });
}

/** The first trial is the reference. */
function rowsOf(trials: readonly SettingTrial[]): EvaluationRow[] {
  const reference = trials[0]?.texts ?? [];
  return trials.flatMap(({ setting, texts }) => evaluationRows(setting, texts, reference));
}

/** Texts that the configured relaxed setting, the third, changed. They are quoted by the manifest alone, never by a log. */
function pairsOf({ config }: StageContext, trials: readonly SettingTrial[]): TextPair[] {
  const [reference, , relaxed] = trials;
  if (reference === undefined || relaxed === undefined) return [];
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  return changedPairs(relaxed.setting, relaxed.texts, reference.texts, ({ text, ids, relaxedPositions }) =>
    marksOf(text, Array.from(ids), Array.from(relaxedPositions), (some) => tokenizer.decode(some)),
  );
}

function clickRow({ name, auc, logLoss, difference, verdict }: ClickResult) {
  const { mean: aucDifference, low: aucLow, high: aucHigh } = difference;
  return { setting: name, auc, logLoss, aucDifference, aucLow, aucHigh, verdict };
}
