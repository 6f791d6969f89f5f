import type { Drafter } from '../draft/drafter.js';
import type { TreeRows, Verdicts } from '../engine/engine.js';
import type { FinishReason } from '../lake/writer.js';
import { type AcceptRule, type Verification, verify } from './verify.js';

/** How texts are decoded; the same for all requests of a run. */
export interface DecodeSettings extends AcceptRule {
  maxNewTokens: number;
  /** Draft nodes of a step at most. */
  nodes: number;
  /** A draft node less likely than this to be reached isn't worth its row. */
  minPathProbability: number;
}

/** A decoded text and what it took. */
export interface Outcome {
  /** The end token is left out. */
  outputIds: Int32Array;
  /** Mean of the normed hidden states at the output tokens, [hiddenSize]; null for an empty text. */
  vector: Float32Array | null;
  finishReason: FinishReason;
  decodeSteps: number;
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
  private tree: TreeRows = { tokens: new Int32Array(0), parents: new Int32Array(0) };
  private finishReason: FinishReason | undefined;
  /** The last output token's hidden state is still wanted: one more step without a draft. */
  private lastStateMissing = false;
  private last: number;
  private readonly most: number;
  private readonly counts = { steps: 0, drafted: 0, accepted: 0, relaxed: 0, divergence: 0, nearTies: 0 };

  /** @param promptIds at least one and less than `context` tokens */
  constructor(
    readonly promptIds: Int32Array,
    private readonly settings: DecodeSettings,
    private readonly drafter: Drafter,
    private readonly endTokens: ReadonlySet<number>,
    context: number,
    hiddenSize: number,
  ) {
    this.states = new Float64Array(hiddenSize);
    this.most = Math.min(settings.maxNewTokens, context - promptIds.length);
    this.last = promptIds[promptIds.length - 1] as number;
    if (settings.mode !== 'autoregressive') for (const token of promptIds) drafter.append(token);
  }

  get finished(): boolean {
    return this.finishReason !== undefined && !this.lastStateMissing;
  }

  get emitted(): number {
    return this.output.length + (this.finishReason === 'stop' ? 1 : 0);
  }

  /** The rows of the next step. */
  nextTree(): TreeRows {
    const { mode, nodes, minPathProbability } = this.settings;
    if (mode === 'autoregressive' || this.lastStateMissing) {
      this.tree = { tokens: Int32Array.of(this.last), parents: Int32Array.of(-1) };
    } else {
      const depth = this.most - this.output.length;
      this.tree = this.drafter.draft(this.last, { nodes, minPathProbability, depth });
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
    const verification = verify(this.tree, verdicts, this.settings, this.counts.divergence);
    this.counts.drafted += this.tree.tokens.length - 1;
    this.counts.nearTies += verification.nearTies;
    if (this.output.length > 0) this.addState(verdicts, 0);
    this.take(verification, verdicts);
    return verification.path;
  }

  outcome(): Outcome {
    const { counts } = this;
    const vector =
      this.statesSeen === 0 ? null : Float32Array.from(this.states, (sum) => sum / this.statesSeen);
    return {
      outputIds: Int32Array.from(this.output),
      vector,
      finishReason: this.finishReason as FinishReason,
      decodeSteps: counts.steps,
      draftedTokens: counts.drafted,
      acceptedTokens: counts.accepted,
      relaxedTokens: counts.relaxed,
      divergence: counts.divergence,
      nearTies: counts.nearTies,
    };
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
    if (this.emit(next) && this.isFull()) this.lastStateMissing = true;
  }

  /** Adds a token to the output; false when it ends the text. */
  private emit(token: number): boolean {
    if (this.endTokens.has(token)) {
      this.finishReason = 'stop';
      return false;
    }
    this.output.push(token);
    this.last = token;
    if (this.settings.mode !== 'autoregressive') this.drafter.append(token);
    return true;
  }

  private isFull(): boolean {
    if (this.output.length < this.most) return false;
    this.finishReason = this.most < this.settings.maxNewTokens ? 'context' : 'length';
    return true;
  }

  private addState(verdicts: Verdicts, row: number): void {
    const state = verdicts.hidden(row);
    const { states } = this;
    for (let i = 0; i < states.length; i++) states[i] = (states[i] as number) + (state[i] as number);
    this.statesSeen++;
  }
}
