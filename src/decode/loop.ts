import { Drafter, type DraftPools } from '../draft/drafter.js';
import type { Engine, StepInput, StepOptions, TreeRows, Verdicts } from '../engine/engine.js';
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

/** A request whose prompt is taken in: it can begin as soon as a slot is free. */
interface Ready extends Waiting {
  sequence: Sequence;
  drafter: Drafter;
  /** That of all sequences, or its own. */
  budget: Budget;
}

interface Active extends Ready {
  slot: number;
}

/** What a step brought one sequence, as long as it isn't counted. */
interface Judged {
  sequence: Sequence;
  tree: TreeRows;
  accepted: number;
  matched: number;
}

/** Requests are made ready ahead for one in so many slots: about as many as finish in a step. */
const slotsOfReady = 16;

/**
 * The decode loop: admits waiting requests to free slots, drafts, steps the model over all of them, verifies, emits.
 * A slot is filled again as soon as its sequence is finished. Requests don't influence each other's texts. What the next
 * step doesn't depend on - the vectors, finished texts, the prompts of those to come - is done while it runs.
 */
export class DecodeLoop {
  readonly statistics: LoopStatistics = noStatistics();
  private readonly waiting: Waiting[] = [];
  private readonly ready: Ready[] = [];
  private active: Active[] = [];
  private judged: Judged[] = [];
  /** Finished, but not answered. */
  private finished: Active[] = [];
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
      while (!this.stopping && (this.left > 0 || this.active.length > 0)) {
        while (!this.stopping && this.left > 0 && this.freeSlots.length > 0) await this.admit();
        await this.step();
      }
      this.settle();
    } catch (error) {
      // what was finished before isn't lost
      this.settle();
      this.fail(error);
    } finally {
      this.running = false;
      this.statistics.busy += performance.now() - started;
      this.statistics.prefill += this.engine.modelTime.prefill - before.prefill;
      this.statistics.steps += this.engine.modelTime.steps - before.steps;
    }
  }

  /** Requests that have no slot. */
  private get left(): number {
    return this.waiting.length + this.ready.length;
  }

  private async admit(): Promise<void> {
    const slot = this.freeSlots.pop() as number;
    const started = performance.now();
    const request = this.ready.shift() ?? this.prepare();
    this.statistics.draft += performance.now() - started;
    try {
      await this.engine.admit(slot, request.promptIds);
    } catch (error) {
      this.freeSlots.push(slot);
      request.reject(error);
      throw error;
    }
    this.active.push({ ...request, slot });
  }

  /** Takes in the prompt of the first request that waits. */
  private prepare(): Ready {
    const request = this.waiting.shift() as Waiting;
    const drafter = this.drafters.pop() ?? new Drafter(this.vocabulary, this.model.endTokens);
    drafter.begin(request.pools);
    const sequence = new Sequence(request, this.settings, drafter, this.model);
    return { ...request, sequence, drafter, budget: this.budget ?? budgetFor(this.settings) };
  }

  private async step(): Promise<void> {
    const drafting = performance.now();
    if (this.budget !== undefined) draftTogether(this.active, this.budget);
    else for (const active of this.active) draftTogether([active], active.budget);
    const inputs = this.active.map(({ slot, sequence }) => ({ slot, tree: sequence.tree }));
    this.statistics.draft += performance.now() - drafting;
    const verdicts = await this.stepModel(inputs);
    const verifying = performance.now();
    const kept = this.active.map(({ sequence }, i) =>
      sequence.accept(verdicts[i] as (typeof verdicts)[number]),
    );
    const sum = addReports(this.active.map(({ sequence }) => sequence.lastStep));
    if (this.budget !== undefined) this.budget.record(sum);
    else for (const { budget, sequence } of this.active) budget.record(sequence.lastStep);
    this.statistics.tokens += sum.tokens;
    // a step that only computes a state writes nothing
    this.statistics.textSteps += this.active.filter(({ sequence }) => sequence.lastStep.tokens > 0).length;
    this.statistics.draftRows += sum.draftRows;
    const left: Active[] = [];
    this.active.forEach((active, i) => {
      const { slot, sequence, drafter } = active;
      const { accepted } = sequence.lastStep;
      this.judged.push({ sequence, tree: sequence.tree, accepted, matched: drafter.matched });
      if (sequence.finished) this.finish(active);
      else {
        this.engine.keep(slot, kept[i] as number[]);
        left.push(active);
      }
    });
    this.active = left;
    this.statistics.modelSteps++;
    this.statistics.verify += performance.now() - verifying;
  }

  /** Runs the model, and beside it what the step doesn't need. */
  private async stepModel(inputs: readonly StepInput[]): Promise<Verdicts[]> {
    const { modelTime } = this.engine;
    const inModel = modelTime.prefill + modelTime.steps;
    const started = performance.now();
    const step = this.engine.step(inputs, tokensToSee(this.settings), this.stepOptions);
    // its failure is told where the verdicts are awaited
    step.catch(() => undefined);
    // an engine hands a step to its device in microtasks, which come before this
    await new Promise((resolve) => setImmediate(resolve));
    const settling = performance.now();
    this.settle();
    const preparing = performance.now();
    const most = Math.ceil(this.engine.slots / slotsOfReady);
    while (this.ready.length < most && this.waiting.length > 0) this.ready.push(this.prepare());
    const beside = performance.now();
    const verdicts = await step;
    // a step on the CPU was over before; beside one on a device the work took no time of its own
    const outside = performance.now() - started - (modelTime.prefill + modelTime.steps - inModel);
    const share = Math.min(1, outside / Math.max(beside - settling, 1e-6));
    this.statistics.verify += share * (preparing - settling);
    this.statistics.draft += share * (beside - preparing);
    return verdicts;
  }

  /** Counts the last step, takes in its hidden states, and answers the requests that it finished. */
  private settle(): void {
    for (const { sequence, tree, accepted, matched } of this.judged) {
      addDraft(this.statistics, tree, accepted, matched);
      sequence.takeStates();
    }
    this.judged = [];
    for (const { sequence, resolve } of this.finished) {
      this.statistics.texts++;
      resolve(sequence.outcome());
    }
    this.finished = [];
  }

  /** The slot and the drafter are free at once; the answer comes beside the next step. */
  private finish(active: Active): void {
    this.engine.release(active.slot);
    this.freeSlots.push(active.slot);
    this.drafters.push(active.drafter);
    this.finished.push(active);
  }

  private fail(error: unknown): void {
    for (const { reject } of [...this.active, ...this.ready, ...this.waiting]) reject(error);
    for (const { slot } of this.active) {
      this.engine.release(slot);
      this.freeSlots.push(slot);
    }
    for (const { drafter } of [...this.active, ...this.ready]) this.drafters.push(drafter);
    this.active = [];
    this.ready.length = 0;
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
