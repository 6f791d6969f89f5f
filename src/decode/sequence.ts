import type { SequenceDrafts } from '../draft/drafting.js';
import type { CostTable } from '../engine/cost-table.js';
import type { TreeRows, Verdicts } from '../engine/engine.js';
import type { FinishReason } from '../lake/writer.js';
import type { DraftLimit, Kept, StepReport } from './budget.js';
import { DraftPause } from './pause.js';
import { PenalisedVerdicts, RepetitionPenalty } from './penalty.js';
import { type StreamKey, uniform } from './random.js';
import { samplePath } from './sample.js';
import type { Sampler, SamplingRule } from './sampler.js';
import { type Detokenise, StopMatcher, type StoppedText } from './stop.js';
import { markEnded, stateStep, type TracedStep, traceStep } from './trace.js';
import { type AcceptRule, type RowVerdicts, tokensToSee, type Verification, verify } from './verify.js';

/** How texts are decoded; the same for all requests of a run. */
export interface DecodeSettings extends AcceptRule {
  maxNewTokens: number;
  /** Draft nodes of a step at most. */
  nodes: number;
  /** A draft node less likely than this to be reached isn't worth its row; undefined: rows are weighed by `costs`. */
  minPathProbability?: number;
  /** What steps cost; needed without `minPathProbability`. */
  costs?: CostTable;
  /** Mode relaxed: texts depend on their requests, pools and settings alone, not on what is decoded beside them. */
  reproducible: boolean;
  /** A text ends before the first of these. */
  stop: readonly string[];
  /** 1: none. */
  repetitionPenalty: number;
  /** Mode sample: what tokens are drawn from. */
  sampling: SamplingRule;
}

/** Whether steps have to give all logits: the verdicts don't hold enough where options change them. */
export function needsLogits({ mode, repetitionPenalty }: DecodeSettings): boolean {
  return mode === 'sample' || repetitionPenalty !== 1;
}

/** What is to be decoded. */
export interface SequenceRequest {
  /** At least one and less than the model's context. */
  promptIds: Int32Array;
  /** Mode sample: the random numbers of this text. */
  stream: StreamKey;
  /** Whether the outcome tells of each step. */
  traced?: boolean;
}

/** What the sequences of a loop have in common. */
export interface SequenceModel {
  endTokens: ReadonlySet<number>;
  /** Positions of a sequence, prompt and output together. */
  context: number;
  /** 0: the engine gives no hidden states. */
  hiddenSize: number;
  /** Whether drafts must be lines. */
  lines: boolean;
  sampler: Sampler;
  /** Needed with stop strings. */
  detokenise: Detokenise | undefined;
}

/** Settings as a user has them: how many draft rows there are at most can be the engine's to say, and what they cost is. */
export type DecodeRules = Omit<DecodeSettings, 'nodes' | 'costs'> & { nodes: number | 'auto' };

/** A decoded text and what it took. */
export interface Outcome {
  /** The end token is left out, and the tokens that a stop string reaches into. */
  outputIds: Int32Array;
  /** The text, where a stop string ended it; null: that of the ids. */
  stoppedText: string | null;
  /** Mean of the normed hidden states at the output tokens, [hiddenSize]; null for an empty text, and without states. */
  vector: Float32Array | null;
  finishReason: FinishReason;
  /** Steps that wrote something: the one for the last hidden state of a text that was cut off isn't among them. */
  decodeSteps: number;
  /** What the steps emitted: output tokens, an end token, the tokens of a stop string. */
  emittedTokens: number;
  draftedTokens: number;
  acceptedTokens: number;
  relaxedTokens: number;
  /** Places of relaxed tokens among the ids, from 0; an end token has none. */
  relaxedPositions: Int32Array;
  /** Nats. */
  divergence: number;
  nearTies: number;
  /**
   * Sum of the model's ln p of the emitted tokens, in nats; null where tokens are drawn, or chosen by changed logits: steps
   * tell the probabilities of drafts and of the likeliest tokens alone.
   */
  logProbability: number | null;
  /** The steps, of a request that asked for them. */
  trace?: TracedStep[];
}

const nothing = new Float64Array(0);

/** One request while it is decoded. */
export class Sequence {
  private readonly output: number[] = [];
  private readonly relaxedAt: number[] = [];
  private readonly states: Float64Array;
  private statesSeen = 0;
  /** States of the last step that aren't taken in: of these rows. */
  private untaken: { verdicts: Verdicts; rows: number[] } | undefined;
  /** States of the last tokens, which a stop string may still take back. */
  private readonly unsettled: Float32Array[] = [];
  private readonly penalty: RepetitionPenalty | undefined;
  private readonly stops: StopMatcher | undefined;
  private readonly drafting: boolean;
  private stoppedText: string | null = null;
  private rows: TreeRows = { tokens: new Int32Array(0), parents: new Int32Array(0) };
  private gains: Float64Array = nothing;
  private report: StepReport = {
    sequences: 1,
    draftRows: 0,
    longest: 0,
    expected: 0,
    accepted: 0,
    tokens: 0,
  };
  private drafted = false;
  /** Where rows are weighed; drafts of a size that was asked for are always made. */
  private readonly pause: DraftPause | undefined;
  private finishReason: FinishReason | undefined;
  /** The last output token's hidden state is still wanted: one more step without a draft. */
  private lastStateMissing = false;
  private last: number;
  private readonly most: number;
  private readonly usualLength: number;
  private readonly trace: TracedStep[] | undefined;
  private readonly counts = {
    steps: 0,
    emitted: 0,
    drafted: 0,
    accepted: 0,
    relaxed: 0,
    divergence: 0,
    nearTies: 0,
    logProbability: 0,
  };

  /** @param usualLength tokens of a text like this one; as many as it may have where nobody knows */
  constructor(
    private readonly request: SequenceRequest,
    private readonly settings: DecodeSettings,
    private readonly drafts: SequenceDrafts,
    private readonly model: SequenceModel,
    usualLength?: number,
  ) {
    const { promptIds } = request;
    const { mode, nodes, minPathProbability, maxNewTokens, repetitionPenalty, stop } = settings;
    this.states = new Float64Array(model.hiddenSize);
    this.most = Math.min(maxNewTokens, model.context - promptIds.length);
    this.usualLength = Math.min(this.most, usualLength ?? this.most);
    this.last = promptIds[promptIds.length - 1] as number;
    this.drafting = mode !== 'autoregressive' && nodes > 0;
    if (minPathProbability === undefined) this.pause = new DraftPause();
    if (repetitionPenalty !== 1) this.penalty = new RepetitionPenalty(repetitionPenalty);
    if (stop.length > 0) this.stops = new StopMatcher(stop, model.detokenise as Detokenise);
    if (request.traced === true) this.trace = [];
    for (const token of promptIds) this.see(token);
  }

  get finished(): boolean {
    return this.finishReason !== undefined && !this.lastStateMissing;
  }

  /** What the last step brought. */
  get lastStep(): StepReport {
    return this.report;
  }

  /** The rows of the next step, once it is drafted and cut. */
  get tree(): TreeRows {
    return this.rows;
  }

  /** Asks for the draft of the next step. */
  requestDraft({ nodes, minPathProbability }: DraftLimit): void {
    this.drafted = this.drafting && !this.lastStateMissing && this.pause?.skips() !== true;
    if (!this.drafted) return;
    const depth = this.most - this.output.length;
    const relaxed = this.settings.mode === 'relaxed';
    this.drafts.request(this.last, { nodes, minPathProbability, depth, line: this.model.lines, relaxed });
  }

  /** Takes the draft, once it is made; gives the rows' estimated chances of being accepted, none higher than the one before. */
  takeDraft(): Float64Array {
    if (this.drafted) {
      this.rows = this.drafts.rows;
      this.gains = this.drafts.gains;
    } else {
      this.rows = { tokens: Int32Array.of(this.last), parents: Int32Array.of(-1) };
      this.gains = nothing;
    }
    return this.gains;
  }

  /** Leaves of the draft what is kept. */
  cut(kept: Kept): void {
    const { tokens, parents } = this.rows;
    const { rows } = kept;
    if (rows < this.gains.length) {
      this.rows = { tokens: tokens.subarray(0, rows + 1), parents: parents.subarray(0, rows + 1) };
      this.gains = this.gains.subarray(0, rows);
    }
    if (this.drafted) this.pause?.after(kept);
  }

  /**
   * Takes the step's verdicts; returns the rows to keep in the cache. `takeStates` is left to do, any time before the next
   * step's verdicts or the outcome.
   */
  accept(verdicts: Verdicts): number[] {
    this.takeStates();
    const { emitted, accepted } = this.counts;
    // a step that only computes a state writes nothing
    if (!this.lastStateMissing) this.counts.steps++;
    const path = this.judge(verdicts);
    const draftRows = this.gains.length;
    this.counts.drafted += draftRows;
    this.report = {
      sequences: 1,
      draftRows,
      longest: draftRows,
      expected: this.gains.reduce((sum, gain) => sum + gain, 0),
      accepted: this.counts.accepted - accepted,
      tokens: this.counts.emitted - emitted,
    };
    return path;
  }

  /** Takes the hidden states of the last step's output tokens into the vector; fine to call again. */
  takeStates(): void {
    if (this.untaken === undefined) return;
    const { verdicts, rows } = this.untaken;
    this.untaken = undefined;
    for (const row of rows) {
      const state = verdicts.hidden(row);
      if (this.stops === undefined) this.sumUp(state);
      else {
        this.unsettled.push(state.slice());
        this.settle(this.stops.settled);
      }
    }
  }

  outcome(): Outcome {
    const { counts } = this;
    this.takeStates();
    this.settle(this.output.length);
    const vector =
      this.statesSeen === 0 ? null : Float32Array.from(this.states, (sum) => sum / this.statesSeen);
    return {
      outputIds: Int32Array.from(this.output),
      stoppedText: this.stoppedText,
      vector,
      finishReason: this.finishReason as FinishReason,
      decodeSteps: counts.steps,
      emittedTokens: counts.emitted,
      draftedTokens: counts.drafted,
      acceptedTokens: counts.accepted,
      relaxedTokens: counts.relaxed,
      relaxedPositions: Int32Array.from(this.relaxedAt.filter((place) => place < this.output.length)),
      divergence: counts.divergence,
      nearTies: counts.nearTies,
      logProbability: needsLogits(this.settings) ? null : counts.logProbability,
      ...(this.trace === undefined ? {} : { trace: this.trace }),
    };
  }

  private judge(verdicts: Verdicts): number[] {
    if (this.lastStateMissing) {
      this.trace?.push(stateStep(this.last, this.counts.divergence));
      this.addState(verdicts, 0);
      this.lastStateMissing = false;
      return [0];
    }
    const verification = this.decide(verdicts);
    this.counts.nearTies += verification.nearTies;
    if (this.output.length > 0) this.addState(verdicts, 0);
    const traced = this.trace && this.traceStep(verification, verdicts);
    const { emitted } = this.counts;
    this.take(verification, verdicts);
    if (traced !== undefined) {
      markEnded(traced, verification.path, this.counts.emitted - emitted);
      this.trace?.push(traced);
    }
    return verification.path;
  }

  private decide(verdicts: Verdicts): Verification {
    const { rows: tree, settings, penalty } = this;
    if (settings.mode === 'sample') {
      return samplePath(tree, (row, depth) => {
        const logits = penalty === undefined ? verdicts.logits(row) : penalty.logits(tree, verdicts, row);
        return this.model.sampler.draw(logits, uniform(this.request.stream, this.output.length + depth));
      });
    }
    const rest = Math.max(0, 1 - this.output.length / this.usualLength);
    return verify(tree, this.judged(verdicts), settings, { spent: this.counts.divergence, rest });
  }

  /** The verdicts after the repetition penalty. */
  private judged(verdicts: Verdicts): RowVerdicts {
    const { rows, penalty } = this;
    return penalty === undefined
      ? verdicts
      : new PenalisedVerdicts(rows, verdicts, penalty, tokensToSee(this.settings));
  }

  /** Before the step is taken: what a penalty makes of the logits depends on the text so far. */
  private traceStep(verification: Verification, verdicts: Verdicts): TracedStep {
    const { rows: tree, settings: rule, gains: chances, drafts } = this;
    return traceStep({
      tree,
      verdicts: this.judged(verdicts),
      rule,
      shown: tokensToSee(rule),
      verification,
      chances,
      matched: (parent) => drafts.contextsOf(parent),
      spent: this.counts.divergence,
    });
  }

  private take({ path, costs, next }: Verification, verdicts: Verdicts): void {
    for (let i = 1; i < path.length; i++) {
      const row = path[i] as number;
      const cost = costs[i] as number;
      this.counts.accepted++;
      if (cost > 0) {
        this.counts.relaxed++;
        this.relaxedAt.push(this.output.length);
        this.counts.divergence += cost;
      }
      if (!this.emit(this.rows.tokens[row] as number, verdicts.ownProbability(row))) return;
      this.addState(verdicts, row);
      if (this.isFull()) return;
    }
    const last = path[path.length - 1] as number;
    if (this.emit(next, verdicts.probability(last, 0)) && this.isFull())
      this.lastStateMissing = this.model.hiddenSize > 0;
  }

  /** Adds a token to the output; false when it ends the text. */
  private emit(token: number, probability: number): boolean {
    this.counts.emitted++;
    this.counts.logProbability += Math.log(probability);
    if (this.model.endTokens.has(token)) {
      this.finishReason = 'stop';
      return false;
    }
    this.output.push(token);
    this.last = token;
    this.see(token);
    const stopped = this.stops?.append(token);
    if (stopped === undefined) return true;
    this.stopAt(stopped);
    return false;
  }

  private stopAt({ text, tokens }: StoppedText): void {
    this.finishReason = 'stop';
    this.stoppedText = text;
    this.output.length = tokens;
  }

  /** What follows depends on this token of the prompt or of the output. */
  private see(token: number): void {
    if (this.drafting) this.drafts.append(token);
    this.penalty?.append(token);
  }

  private isFull(): boolean {
    if (this.output.length < this.most) return false;
    this.finishReason = this.most < this.settings.maxNewTokens ? 'context' : 'length';
    return true;
  }

  private addState(verdicts: Verdicts, row: number): void {
    if (this.model.hiddenSize === 0) return;
    this.untaken ??= { verdicts, rows: [] };
    this.untaken.rows.push(row);
  }

  /** Takes the states of the first so many output tokens into the vector. */
  private settle(tokens: number): void {
    while (this.statesSeen < tokens && this.unsettled.length > 0)
      this.sumUp(this.unsettled.shift() as Float32Array);
  }

  private sumUp(state: Float32Array): void {
    const { states } = this;
    for (let i = 0; i < states.length; i++) states[i] = (states[i] as number) + (state[i] as number);
    this.statesSeen++;
  }
}
