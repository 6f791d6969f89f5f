import { Drafter, type DraftPools } from '../draft/drafter.js';
import type { Engine, StepOptions } from '../engine/engine.js';
import { runError } from '../errors.js';
import { addReports, type Budget, budgetFor, hasOwnBudgets } from './budget.js';
import { Sampler } from './sampler.js';
import {
  type DecodeSettings,
  needsLogits,
  type Outcome,
  Sequence,
  type SequenceModel,
  type SequenceRequest,
} from './sequence.js';
import { addDraft, type LoopStatistics, noStatistics } from './statistics.js';
import type { Detokenise } from './stop.js';
import { tokensToSee } from './verify.js';

interface Waiting extends SequenceRequest {
  pools: DraftPools;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

interface Active extends Waiting {
  slot: number;
  sequence: Sequence;
  drafter: Drafter;
  /** That of all sequences, or its own. */
  budget: Budget;
}

/**
 * The decode loop: admits waiting requests to free slots, drafts, steps the model over all of them, verifies, emits.
 * A slot is filled again as soon as its sequence is finished. Requests don't influence each other's texts.
 */
export class DecodeLoop {
  readonly statistics: LoopStatistics = noStatistics();
  private readonly waiting: Waiting[] = [];
  private active: Active[] = [];
  private readonly freeSlots: number[];
  private readonly drafters: Drafter[] = [];
  private running = false;
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;
  private readonly model: SequenceModel;
  private readonly stepOptions: StepOptions;
  /** Where the rows of all sequences are weighed against each other. */
  private readonly budget: Budget | undefined;

  /** @param detokenise needed with stop strings */
  constructor(
    private readonly engine: Engine,
    private readonly settings: DecodeSettings,
    private readonly vocabulary: number,
    endTokens: ReadonlySet<number>,
    detokenise?: Detokenise,
  ) {
    const { context, hiddenSize, drafts } = engine;
    const sampler = new Sampler(settings.sampling);
    this.model = { endTokens, context, hiddenSize, lines: drafts === 'line', sampler, detokenise };
    this.stepOptions = { logits: needsLogits(settings) };
    this.budget = hasOwnBudgets(settings) ? undefined : budgetFor(settings);
    this.freeSlots = Array.from({ length: engine.slots }, (_, i) => engine.slots - 1 - i);
  }

  /**
   * Decodes one prompt. Rejects with runError when the prompt doesn't fit the model's context; an error of the engine
   * rejects every request that is waiting or active.
   */
  decode({ promptIds, stream, traced = false }: SequenceRequest, pools: DraftPools): Promise<Outcome> {
    if (promptIds.length === 0) return Promise.reject(runError('The prompt has no tokens'));
    if (promptIds.length >= this.engine.context) {
      const limit = this.engine.context - 1;
      return Promise.reject(
        runError(`The prompt has ${promptIds.length} tokens, the model's context takes ${limit}`),
      );
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ promptIds, stream, traced, pools, resolve, reject });
      if (!this.running) this.ended = this.run();
    });
  }

  /** Ends the loop after the step that it is in; what is waiting or active is never answered. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.ended;
  }

  private async run(): Promise<void> {
    this.running = true;
    const started = performance.now();
    const before = { ...this.engine.modelTime };
    try {
      while (!this.stopping && (this.waiting.length > 0 || this.active.length > 0)) {
        while (!this.stopping && this.waiting.length > 0 && this.freeSlots.length > 0)
          await this.admit(this.waiting.shift() as Waiting);
        await this.step();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.running = false;
      this.statistics.busy += performance.now() - started;
      this.statistics.prefill += this.engine.modelTime.prefill - before.prefill;
      this.statistics.steps += this.engine.modelTime.steps - before.steps;
    }
  }

  private async admit(request: Waiting): Promise<void> {
    const slot = this.freeSlots.pop() as number;
    const started = performance.now();
    const drafter = this.drafters.pop() ?? new Drafter(this.vocabulary, this.model.endTokens);
    drafter.begin(request.pools);
    const sequence = new Sequence(request, this.settings, drafter, this.model);
    this.statistics.draft += performance.now() - started;
    try {
      await this.engine.admit(slot, request.promptIds);
    } catch (error) {
      this.freeSlots.push(slot);
      request.reject(error);
      throw error;
    }
    const budget = this.budget ?? budgetFor(this.settings);
    this.active.push({ ...request, slot, drafter, sequence, budget });
  }

  private async step(): Promise<void> {
    const drafting = performance.now();
    if (this.budget !== undefined) draftTogether(this.active, this.budget);
    else for (const active of this.active) draftTogether([active], active.budget);
    const inputs = this.active.map(({ slot, sequence }) => ({ slot, tree: sequence.tree }));
    this.statistics.draft += performance.now() - drafting;
    const verdicts = await this.engine.step(inputs, tokensToSee(this.settings), this.stepOptions);
    const verifying = performance.now();
    const kept = this.active.map(({ sequence }, i) =>
      sequence.accept(verdicts[i] as (typeof verdicts)[number]),
    );
    const sum = addReports(this.active.map(({ sequence }) => sequence.lastStep));
    if (this.budget !== undefined) this.budget.record(sum);
    else for (const { budget, sequence } of this.active) budget.record(sequence.lastStep);
    this.statistics.tokens += sum.tokens;
    this.statistics.textSteps += sum.sequences;
    this.statistics.draftRows += sum.draftRows;
    const left: Active[] = [];
    this.active.forEach((active, i) => {
      const { sequence, drafter } = active;
      addDraft(this.statistics, sequence.tree, sequence.lastStep.accepted, drafter.matched);
      if (sequence.finished) this.finish(active);
      else {
        this.engine.keep(active.slot, kept[i] as number[]);
        left.push(active);
      }
    });
    this.active = left;
    this.statistics.modelSteps++;
    this.statistics.verify += performance.now() - verifying;
  }

  private finish({ slot, sequence, drafter, resolve }: Active): void {
    this.engine.release(slot);
    this.freeSlots.push(slot);
    this.drafters.push(drafter);
    this.statistics.texts++;
    resolve(sequence.outcome());
  }

  private fail(error: unknown): void {
    for (const { reject } of [...this.active, ...this.waiting]) reject(error);
    for (const { slot, drafter } of this.active) {
      this.engine.release(slot);
      this.freeSlots.push(slot);
      this.drafters.push(drafter);
    }
    this.active = [];
    this.waiting.length = 0;
  }
}

/** Drafts the next step of some sequences and leaves the rows that are worth their time. */
function draftTogether(sequences: readonly Active[], budget: Budget): void {
  const limit = budget.limit(sequences.length);
  const gains = sequences.map(({ sequence }) => sequence.draft(limit));
  const kept = budget.choose(gains);
  sequences.forEach(({ sequence }, i) => {
    sequence.cut(kept[i] as number);
  });
}
