/** A held-out sample of a partition's prompts, decoded in several ways with the same model and the same pools. */
import { join } from 'node:path';
import type { DecodeWorker } from '../src/decode/client.js';
import { choosePrompts, entityKey } from '../src/decode/prompt-choice.js';
import { promptIds } from '../src/decode/row.js';
import type { DecodeRules, Outcome } from '../src/decode/sequence.js';
import { decodeSettings, engineOptions, sizeRule } from '../src/decode/settings.js';
import { storedCosts } from '../src/decode/stored-costs.js';
import { decodeTrial } from '../src/decode/trial.js';
import type { CostTable } from '../src/engine/cost-table.js';
import { inputError } from '../src/errors.js';
import { foldsOf } from '../src/evaluate/folds.js';
import type { EvaluatedText, Setting } from '../src/evaluate/rows.js';
import type { Duck } from '../src/lake/duck.js';
import type { PromptRow } from '../src/lake/pages.js';
import { withPartitionLock } from '../src/lake/partition-lock.js';
import { withWorkSession } from '../src/lake/work-session.js';
import { loadTextModel } from '../src/model/text.js';
import type { StageContext } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { heldOutPools, poolSources } from './evaluation-pools.js';
import { onOneGpu, promptsOf } from './partition-job.js';
import { withWorker } from './worker.js';

/** The texts of one setting, and what they took. */
export interface SettingTrial {
  setting: Setting;
  /** In the same order for all settings. */
  texts: EvaluatedText[];
  /** Of decoding time, prompts' processing left out. */
  tokensPerSecond: number;
}

export interface Trials {
  trials: SettingTrial[];
  device: string;
  modelFingerprint: string;
  weights: string;
  prompts: number;
  /** Texts that pools were made of; a mean, where there are several folds. */
  poolTexts: number;
  folds: number;
  /** Texts decoded together. */
  slots: number;
  /** What steps cost on this machine; undefined where all settings decode without drafts. */
  costs: CostTable | undefined;
  warnings: string[];
}

/** Does `work` while no other run of ours decodes trials for the partition. */
export function withTrialSession<T>(context: StageContext, work: (duck: Duck) => Promise<T>): Promise<T> {
  const { lake, partition, log } = context;
  return withPartitionLock(lake, 'evaluation', partition, log, () =>
    withWorkSession(context, 'evaluation', async (duck) => {
      await duck.script('features/faults');
      return await work(duck);
    }),
  );
}

/**
 * Decodes the prompts of `limit` users and `limit` items with each of the settings. Pools are made as `dare pools` makes
 * them, but without texts of those whose prompts are decoded.
 * @param duck of withTrialSession
 * @throws inputError without prompts or texts, and for mode sample, which gives nothing away
 */
export async function runTrials(
  context: StageContext,
  duck: Duck,
  settings: readonly Setting[],
  limit: number,
): Promise<Trials> {
  const { config, lake, partition } = context;
  const rules = decodeSettings(config.decode);
  if (rules.mode === 'sample') {
    throw inputError(
      'mode sample draws its texts from the distribution of the model itself: there is no loss to look for',
      'Set decode.mode to relaxed, and leave decode.sampling out.',
    );
  }
  const chosen = await choosePrompts(promptsOf(context), limit, (prompt) => `evaluate ${entityKey(prompt)}`);
  const tokenizer = loadTextModel(config.model.path, config.model.cache);
  const engine = engineOptions(config.model.path, onOneGpu(config));
  return await withWorker(engine, tokenizer, context.signal, async (worker) => {
    const costs = await storedCosts(
      { modelFingerprint: worker.fingerprint, weights: worker.weights },
      lake.unfinished('texts', partition),
      lake.dir('texts', partition),
    );
    const prompts = fitting(chosen.prompts, tokenizer, worker);
    const run = new TrialRun(context, duck, { worker, tokenizer, rules, costs });
    return await run.all(prompts, chosen, settings);
  });
}

/** @throws inputError where none fits */
function fitting(prompts: readonly PromptRow[], tokenizer: TextModel, { context }: DecodeWorker) {
  const fit = prompts.filter((prompt) => promptIds(tokenizer, prompt).length < context);
  if (fit.length > 0) return fit;
  throw inputError(`every prompt of the sample is longer than the model's context of ${context} tokens`);
}

/** What all trials have in common. */
interface Decoder {
  worker: DecodeWorker;
  tokenizer: TextModel;
  rules: DecodeRules;
  costs: CostTable | undefined;
}

interface Sums {
  setting: Setting;
  texts: EvaluatedText[];
  /** Milliseconds of decoding. */
  time: number;
}

class TrialRun {
  /** What the drafts of the settings are weighed by. */
  private used: CostTable | undefined;

  constructor(
    private readonly context: StageContext,
    private readonly duck: Duck,
    private readonly decoder: Decoder,
  ) {}

  async all(
    prompts: readonly PromptRow[],
    chosen: { prompts: readonly PromptRow[]; all: number },
    settings: readonly Setting[],
  ): Promise<Trials> {
    const { context, duck, decoder } = this;
    const { lake, partition, progress, signal } = context;
    const { worker, tokenizer } = decoder;
    const sources = await poolSources(duck, context);
    const sums = settings.map((setting): Sums => ({ setting, texts: [], time: 0 }));
    const folds = foldsOf(prompts, entityKey, chosen.all);
    // one setting after another decodes all prompts: the time left is that of all of them
    const all = settings.length * prompts.length;
    let decoded = 0;
    let poolTexts = 0;
    for (const [index, fold] of folds.entries()) {
      const folder = join(lake.work('evaluation', partition), `pools-${index}`);
      progress.start(`pools ${index + 1} of ${folds.length}`);
      const pools = await heldOutPools(duck, sources, fold, folder, tokenizer, context);
      progress.done();
      poolTexts += pools.texts;
      worker.usePools(pools.bytes);
      progress.start('texts', all);
      progress.skip(decoded);
      for (const sum of sums) {
        signal.throwIfAborted();
        progress.note(sum.setting.name);
        await this.decode(sum, fold);
      }
      decoded += sums.length * fold.length;
      progress.done();
    }
    const trials = sums.map(({ setting, texts, time }) => {
      const tokens = texts.reduce((sum, { emittedTokens }) => sum + emittedTokens, 0);
      return { setting, texts, tokensPerSecond: (1000 * tokens) / time };
    });
    const { device, fingerprint: modelFingerprint, weights } = worker;
    return {
      trials,
      device,
      modelFingerprint,
      weights,
      prompts: prompts.length,
      poolTexts: Math.round(poolTexts / folds.length),
      folds: folds.length,
      slots: worker.slots,
      costs: this.used,
      warnings: warningsOf(chosen.prompts.length - prompts.length, sources.unknown),
    };
  }

  private async decode(sum: Sums, prompts: readonly PromptRow[]): Promise<void> {
    const { worker, tokenizer, rules, costs } = this.decoder;
    worker.use(rulesOf(sum.setting, rules), costs);
    this.used ??= (await worker.costs())?.table;
    const { outcomes, statistics } = await decodeTrial(worker, tokenizer, prompts, () =>
      this.context.progress.advance(1),
    );
    sum.time += statistics.busy - statistics.prefill;
    const texts = outcomes.map(({ stoppedText, outputIds }) => stoppedText ?? tokenizer.decode(outputIds));
    const entries = prompts.map(({ framework }, i) => ({ text: texts[i], framework }));
    const judged = await this.duck.scriptRows('evaluate/judge', {
      params: { texts: JSON.stringify(entries) },
    });
    prompts.forEach((prompt, i) => {
      const verdict = judged[i] as unknown as Judged;
      sum.texts.push(evaluated(prompt, outcomes[i] as Outcome, texts[i] as string, verdict));
    });
  }
}

type Judged = Pick<EvaluatedText, 'repetitive' | 'unparsable'>;

/** The configured rules, but for what the setting says. */
function rulesOf(
  { mode, topK, minProb, divergenceBudget, minGain, nodes }: Setting,
  { minPathProbability: _, ...rules }: DecodeRules,
): DecodeRules {
  const sized = { mode, reproducible: rules.reproducible, nodes: nodes ?? rules.nodes };
  return {
    ...rules,
    ...sizeRule(sized),
    mode,
    topK: topK ?? rules.topK,
    minProb: minProb ?? rules.minProb,
    divergenceBudget: divergenceBudget ?? rules.divergenceBudget,
    minGain: minGain ?? rules.minGain,
    nodes: nodes ?? rules.nodes,
  };
}

function evaluated(
  { promptId, entityType, entityId, framework }: PromptRow,
  outcome: Outcome,
  text: string,
  judged: Judged,
): EvaluatedText {
  return { promptId, entityType, entityId, framework, text, ids: outcome.outputIds, ...outcome, ...judged };
}

function warningsOf(tooLong: number, unknown: number): string[] {
  return [
    ...(tooLong === 0
      ? []
      : [`${tooLong} prompts of the sample are longer than the model's context, and left out`]),
    ...(unknown === 0
      ? []
      : [
          `${unknown} texts of the pools don't tell whom they are about (entity_id): they may be of those whose prompts ` +
            'are decoded, and drafts from them look better than they are',
        ]),
  ];
}
