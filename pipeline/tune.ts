import { type CostTable, stepMilliseconds } from '../src/engine/cost-table.js';
import { chooseSetting, paretoFront, type TunedSetting } from '../src/evaluate/pareto.js';
import { measureTexts, type Setting, type TextMeasures } from '../src/evaluate/rows.js';
import { autoregressive, greedy, type Nodes, relaxed } from '../src/evaluate/settings.js';
import { chosenYaml, tuningTable } from '../src/report/tuning.js';
import type { StageContext, StageResult } from '../src/stage.js';
import { runTrials, type SettingTrial, withTrialSession } from './trials.js';

export interface TuneOptions {
  /** Users, and items, whose prompts are decoded. */
  limit: number;
  /** What is tried, in all combinations. */
  divergenceBudgets: readonly number[];
  topK: readonly number[];
  minProb: readonly number[];
  minGain: readonly number[];
  nodes: readonly Nodes[];
  /** Nats a token that may be given away. */
  maxLoss: number;
}

/** What a setting came to. */
export interface Tuned
  extends TunedSetting,
    Pick<TextMeasures, 'tokensPerStep' | 'rowsPerStep' | 'sameTexts' | 'perplexity' | 'vectorDistance'> {
  /** As measured: the machine's mood is in it. */
  tokensPerSecond: number;
  /** No other setting is as fast and loses as little. */
  best: boolean;
}

/**
 * `dare tune`: decodes a held-out sample with many settings, and chooses the fastest that loses no more than allowed.
 * Loss is divergence a token: what relaxed tokens gave away, in nats, over all tokens. It is what a divergence budget
 * bounds, it can't be negative, a few texts measure it well, and where the model is taken at its word e to its power is
 * the factor by which relaxed tokens alone make the text less likely, token by token. The share of changed texts would
 * say little: one relaxed token changes a text.
 * @throws inputError without prompts or texts, and for mode sample
 */
export async function tune(context: StageContext, options: TuneOptions): Promise<StageResult> {
  const started = performance.now();
  const { limit, maxLoss } = options;
  const { trials, warnings, costs, ...about } = await withTrialSession(context, (duck) =>
    runTrials(context, duck, settingsOf(options), limit),
  );
  const results = tuned(trials, costs as CostTable, about.slots);
  const chosen = chooseSetting(results, maxLoss) as Tuned;
  const configuration = chosenYaml(chosen.setting);
  return {
    stage: 'tune',
    partition: context.partition,
    // it writes no table: settings that were tried
    rows: results.length,
    files: [],
    seconds: (performance.now() - started) / 1000,
    warnings,
    limit,
    maxLoss,
    ...about,
    chosen: chosen.setting,
    configuration,
    results: results.map(({ setting, ...figures }) => ({ ...setting, ...figures })),
    summary: `\n${tuningTable(results, chosen)}\n\nFastest with at most ${maxLoss} nats a token given away:\n${configuration}`,
  };
}

/** All combinations, strict ones first; plain decoding too, which loses nothing. */
export function settingsOf(options: TuneOptions): Setting[] {
  const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b);
  const [budgets, topK] = [ascending(options.divergenceBudgets), ascending(options.topK)];
  const minProb = ascending(options.minProb).reverse();
  const minGain = ascending(options.minGain).reverse();
  return [
    autoregressive,
    ...options.nodes.flatMap((count) => {
      const more = `, nodes ${count}`;
      return [
        greedy(count, more),
        ...budgets.flatMap((divergenceBudget) =>
          topK.flatMap((rank) =>
            minProb.flatMap((least) =>
              minGain.map((gain) =>
                relaxed({ topK: rank, minProb: least, divergenceBudget, minGain: gain }, count, more),
              ),
            ),
          ),
        ),
      ];
    }),
  ];
}

/** By loss, then time. @param slots texts decoded together */
function tuned(trials: readonly SettingTrial[], costs: CostTable, slots: number): Tuned[] {
  const reference = trials[0]?.texts ?? [];
  const measured = trials.map(({ setting, texts, tokensPerSecond }) => {
    const { tokensPerStep, rowsPerStep, divergencePerToken, ...others } = measureTexts(texts, reference);
    const { sameTexts, perplexity, vectorDistance } = others;
    const milliseconds = stepMilliseconds(costs, slots, rowsPerStep) / slots / tokensPerStep;
    const speed = { milliseconds, tokensPerStep, rowsPerStep, tokensPerSecond };
    return { setting, loss: divergencePerToken, ...speed, sameTexts, perplexity, vectorDistance };
  });
  const front = new Set(paretoFront(measured));
  return measured
    .map((one) => ({ ...one, best: front.has(one) }))
    .sort((a, b) => a.loss - b.loss || a.milliseconds - b.milliseconds);
}
