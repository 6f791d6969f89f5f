import type { DraftPools } from '../draft/drafter.js';
import type { Drafting, SequenceDrafts } from '../draft/drafting.js';
import type { Engine, StepInput, StepOptions, TreeRows, Verdicts } from '../engine/engine.js';
import { runError } from '../errors.js';
import { addReports, type Budget, budgetFor, type DraftLimit, hasOwnBudgets, type Kept } from './budget.js';
import { OwnBudgets } from './own-budget.js';
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
  drafts: SequenceDrafts;
  /** That of all sequences, or of all that draft from pools alike. */
  budget: Budget;
}

interface Active extends Ready {
  slot: number;
  /** Whether the next step's draft is asked for. */
  asked: boolean;
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

/** Sequences that a loop over so many slots drafts for at once: active ones and those made ready. */
export function sequencesOf(slots: number): number {
  return slots + Math.ceil(slots / slotsOfReady);
}

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
  private running = false;
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;
  private readonly model: SequenceModel;
  private readonly stepOptions: StepOptions;
  /** Where the rows of all sequences are weighed against each other. */
  private readonly budget: Budget | undefined;
  /** Where each is decided for by itself. */
  private readonly own: OwnBudgets | undefined;
  /** Whether there will be drafts at all. */
  private readonly drafts: boolean;

  /**
   * @param drafting of at least as many sequences as `sequencesOf` says
   * @param detokenise needed with stop strings
   */
  constructor(
    private readonly engine: Engine,
    private readonly settings: DecodeSettings,
    private readonly drafting: Drafting,
    endTokens: ReadonlySet<number>,
    detokenise?: Detokenise,
  ) {
    const { context, hiddenSize, drafts } = engine;
    const sampler = new Sampler(settings.sampling);
    this.model = { endTokens, context, hiddenSize, lines: drafts === 'line', sampler, detokenise };
    this.stepOptions = { logits: needsLogits(settings) };
    if (hasOwnBudgets(settings)) this.own = new OwnBudgets(settings);
    else this.budget = budgetFor(settings);
    this.drafts = settings.mode !== 'autoregressive' && settings.nodes > 0;
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
      this.drafting.end(request.drafts);
      request.reject(error);
      throw error;
    }
    this.active.push({ ...request, slot, asked: false });
  }

  /** Takes in the prompt of the first request that waits. */
  private prepare(): Ready {
    const request = this.waiting.shift() as Waiting;
    const drafts = this.drafting.begin(request.pools);
    const { cohort, shared } = request.pools;
    const usualLength = cohort?.meanLength ?? shared?.meanLength;
    const budget = this.budget ?? (this.own as OwnBudgets).of(request.pools);
    // a text that is never drafted for needn't be kept for drafts
    const settings =
      this.own !== undefined && budget.limit(1).nodes === 0 ? { ...this.settings, nodes: 0 } : this.settings;
    const sequence = new Sequence(request, settings, drafts, this.model, usualLength);
    return { ...request, sequence, drafts, budget };
  }

  private async step(): Promise<void> {
    const drafting = performance.now();
    const begun = this.active.filter(({ asked }) => !asked);
    if (begun.length > 0) {
      const limit = this.commonLimit();
      for (const active of begun) this.askForDraft(active, limit);
    }
    this.drafting.finish();
    for (const active of this.active) active.asked = false;
    if (this.budget !== undefined) cutTogether(this.active, this.budget);
    else for (const active of this.active) cutTogether([active], active.budget);
    const inputs = this.active.map(({ slot, sequence }) => ({ slot, tree: sequence.tree }));
    this.statistics.draft += performance.now() - drafting;
    const verdicts = await this.stepModel(inputs);
    const verifying = performance.now();
    if (this.drafts) this.drafting.rouse();
    const judged = this.active.map(({ sequence }) => sequence);
    const limit = this.commonLimit();
    let asking = 0;
    this.active = this.active.filter((active, i) => {
      const kept = this.judge(active, verdicts[i] as (typeof verdicts)[number]);
      if (active.sequence.finished) {
        this.finish(active);
        return false;
      }
      this.engine.keep(active.slot, kept);
      const started = performance.now();
      // threads that draft do so while the other sequences are judged
      this.askForDraft(active, limit);
      asking += performance.now() - started;
      return true;
    });
    const sum = addReports(judged.map(({ lastStep }) => lastStep));
    this.budget?.record(sum);
    this.statistics.tokens += sum.tokens;
    // a step for a last hidden state writes nothing
    this.statistics.textSteps += judged.filter(({ lastStep }) => lastStep.tokens > 0).length;
    this.statistics.draftRows += sum.draftRows;
    this.statistics.modelSteps++;
    this.statistics.draft += asking;
    this.statistics.verify += performance.now() - verifying - asking;
  }

  /** Takes a step's verdicts on a sequence; returns the rows to keep in the cache. */
  private judge({ sequence, drafts }: Active, verdicts: Verdicts): number[] {
    const { tree } = sequence;
    const kept = sequence.accept(verdicts);
    const { accepted } = sequence.lastStep;
    this.judged.push({ sequence, tree, accepted, matched: drafts.matched });
    return kept;
  }

  /** Of this step's drafts, where one budget is that of all: it is worked out once. */
  private commonLimit(): DraftLimit | undefined {
    return this.budget?.limit(this.active.length);
  }

  private askForDraft(active: Active, common: DraftLimit | undefined): void {
    active.sequence.requestDraft(common ?? active.budget.limit(1));
    active.asked = true;
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
    const most = sequencesOf(this.engine.slots) - this.engine.slots;
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

  /** The slot and what it drafted by are free at once; the answer comes beside the next step. */
  private finish(active: Active): void {
    this.engine.release(active.slot);
    this.freeSlots.push(active.slot);
    this.drafting.end(active.drafts);
    this.finished.push(active);
  }

  private fail(error: unknown): void {
    for (const { reject } of [...this.active, ...this.ready, ...this.waiting]) reject(error);
    for (const { slot } of this.active) {
      this.engine.release(slot);
      this.freeSlots.push(slot);
    }
    for (const { drafts } of [...this.active, ...this.ready]) this.drafting.end(drafts);
    this.active = [];
    this.ready.length = 0;
    this.waiting.length = 0;
  }
}

/** Takes the drafts of some sequences and leaves the rows that are worth their time. */
function cutTogether(sequences: readonly Active[], budget: Budget): void {
  const kept = budget.choose(sequences.map(({ sequence }) => sequence.takeDraft()));
  sequences.forEach(({ sequence }, i) => {
    sequence.cut(kept[i] as Kept);
  });
}
