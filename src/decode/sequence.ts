import type { Drafter } from '../draft/drafter.js';
import type { TreeRows, Verdicts } from '../engine/engine.js';
import type { FinishReason } from '../lake/writer.js';
import { PenalisedVerdicts, RepetitionPenalty } from './penalty.js';
import { type StreamKey, uniform } from './random.js';
import { samplePath } from './sample.js';
import type { Sampler, SamplingRule } from './sampler.js';
import { type Detokenise, StopMatcher, type StoppedText } from './stop.js';
import { type AcceptRule, tokensToSee, type Verification, verify } from './verify.js';

/** How texts are decoded; the same for all requests of a run. */
export interface DecodeSettings extends AcceptRule {
  maxNewTokens: number;
  /** Draft nodes of a step at most. */
  nodes: number;
  /** A draft node less likely than this to be reached isn't worth its row. */
  minPathProbability: number;
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

/** Settings as a user has them: how many draft rows there are, and what one must be worth, can be the engine's to say. */
export type DecodeRules = Omit<DecodeSettings, 'nodes' | 'minPathProbability'> & {
  nodes: number | 'auto';
  minPathProbability?: number;
};

/** A decoded text and what it took. */
export interface Outcome {
  /** The end token is left out, and the tokens that a stop string reaches into. */
  outputIds: Int32Array;
  /** The text, where a stop string ended it; null: that of the ids. */
  stoppedText: string | null;
  /** Mean of the normed hidden states at the output tokens, [hiddenSize]; null for an empty text, and without states. */
  vector: Float32Array | null;
  finishReason: FinishReason;
  decodeSteps: number;
  /** What the steps emitted: output tokens, an end token, the tokens of a stop string. */
  emittedTokens: number;
  draftedTokens: number;
  acceptedTokens: number;
  relaxedTokens: number;
  /** Nats. */
  divergence: number;
  nearTies: number;
}

/** One request while it is decoded. */
export class Sequence {
  private readonly output: number[] = [];
  private readonly states: Float64Array;
  private statesSeen = 0;
  /** States of the last tokens, which a stop string may still take back. */
  private readonly unsettled: Float32Array[] = [];
  private readonly penalty: RepetitionPenalty | undefined;
  private readonly stops: StopMatcher | undefined;
  private readonly drafting: boolean;
  private stoppedText: string | null = null;
  private tree: TreeRows = { tokens: new Int32Array(0), parents: new Int32Array(0) };
  private finishReason: FinishReason | undefined;
  /** The last output token's hidden state is still wanted: one more step without a draft. */
  private lastStateMissing = false;
  private last: number;
  private readonly most: number;
  private readonly counts = {
    steps: 0,
    emitted: 0,
    drafted: 0,
    accepted: 0,
    relaxed: 0,
    divergence: 0,
    nearTies: 0,
  };

  constructor(
    private readonly request: SequenceRequest,
    private readonly settings: DecodeSettings,
    private readonly drafter: Drafter,
    private readonly model: SequenceModel,
  ) {
    const { promptIds } = request;
    const { mode, nodes, maxNewTokens, repetitionPenalty, stop } = settings;
    this.states = new Float64Array(model.hiddenSize);
    this.most = Math.min(maxNewTokens, model.context - promptIds.length);
    this.last = promptIds[promptIds.length - 1] as number;
    this.drafting = mode !== 'autoregressive' && nodes > 0;
    if (repetitionPenalty !== 1) this.penalty = new RepetitionPenalty(repetitionPenalty);
    if (stop.length > 0) this.stops = new StopMatcher(stop, model.detokenise as Detokenise);
    for (const token of promptIds) this.see(token);
  }

  get finished(): boolean {
    return this.finishReason !== undefined && !this.lastStateMissing;
  }

  get emitted(): number {
    return this.counts.emitted;
  }

  /** The rows of the next step. */
  nextTree(): TreeRows {
    const { nodes, minPathProbability } = this.settings;
    if (!this.drafting || this.lastStateMissing) {
      this.tree = { tokens: Int32Array.of(this.last), parents: Int32Array.of(-1) };
    } else {
      const depth = this.most - this.output.length;
      const line = this.model.lines;
      this.tree = this.drafter.draft(this.last, { nodes, minPathProbability, depth, line });
    }
    return this.tree;
  }

  /** Takes the step's verdicts; returns the rows to keep in the cache. */
  accept(verdicts: Verdicts): number[] {
    this.counts.steps++;
    if (this.lastStateMissing) {
      this.addState(verdicts, 0);
      this.lastStateMissing = false;
      return [0];
    }
    const verification = this.decide(verdicts);
    this.counts.drafted += this.tree.tokens.length - 1;
    this.counts.nearTies += verification.nearTies;
    if (this.output.length > 0) this.addState(verdicts, 0);
    this.take(verification, verdicts);
    return verification.path;
  }

  outcome(): Outcome {
    const { counts } = this;
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
      divergence: counts.divergence,
      nearTies: counts.nearTies,
    };
  }

  private decide(verdicts: Verdicts): Verification {
    const { tree, settings, penalty } = this;
    if (settings.mode === 'sample') {
      return samplePath(tree, (row, depth) => {
        const logits = penalty === undefined ? verdicts.logits(row) : penalty.logits(tree, verdicts, row);
        return this.model.sampler.draw(logits, uniform(this.request.stream, this.output.length + depth));
      });
    }
    const judged =
      penalty === undefined
        ? verdicts
        : new PenalisedVerdicts(tree, verdicts, penalty, tokensToSee(settings));
    return verify(tree, judged, settings, this.counts.divergence);
  }

  private take({ path, costs, next }: Verification, verdicts: Verdicts): void {
    for (let i = 1; i < path.length; i++) {
      const row = path[i] as number;
      const cost = costs[i] as number;
      this.counts.accepted++;
      if (cost > 0) {
        this.counts.relaxed++;
        this.counts.divergence += cost;
      }
      if (!this.emit(this.tree.tokens[row] as number)) return;
      this.addState(verdicts, row);
      if (this.isFull()) return;
    }
    if (this.emit(next) && this.isFull()) this.lastStateMissing = this.model.hiddenSize > 0;
  }

  /** Adds a token to the output; false when it ends the text. */
  private emit(token: number): boolean {
    this.counts.emitted++;
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
    if (this.drafting) this.drafter.append(token);
    this.penalty?.append(token);
  }

  private isFull(): boolean {
    if (this.output.length < this.most) return false;
    this.finishReason = this.most < this.settings.maxNewTokens ? 'context' : 'length';
    return true;
  }

  private addState(verdicts: Verdicts, row: number): void {
    if (this.model.hiddenSize === 0) return;
    const state = verdicts.hidden(row);
    if (this.stops === undefined) this.sumUp(state);
    else {
      this.unsettled.push(state.slice());
      this.settle(this.stops.settled);
    }
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
