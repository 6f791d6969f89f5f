import { type DareError, runError } from '../errors.js';

/**
 * The seam between decoding and devices. Slots hold sequences; a step runs the model once over the draft trees of all
 * of them. Devices and graphs differ only behind this interface.
 */

/**
 * Rows of one sequence in a step. Row 0 is the sequence's last token, which isn't cached yet; the other rows are a
 * draft tree below it. `parents[0]` is -1 and `parents[i] < i`.
 */
export interface TreeRows {
  tokens: Int32Array;
  parents: Int32Array;
}

export interface StepInput {
  slot: number;
  tree: TreeRows;
}

/** What a step gives beyond the verdicts. */
export interface StepOptions {
  /** All logits of every row: vocabulary * 4 bytes a row, copied from the device. */
  logits: boolean;
}

/**
 * `nearTieMargin` of float32 arithmetic: log-probabilities differed from the reference by up to 2e-5, at any batch size;
 * this leaves a factor of fifty.
 */
export const float32Margin = 1e-3;

export interface Engine {
  /** How many sequences fit in a step. */
  readonly slots: number;
  /** Positions of a sequence, prompt and output together. */
  readonly context: number;
  /** Elements of a hidden state; 0 where the graph gives none. */
  readonly hiddenSize: number;
  /** Whether a device of its own computes, so that the processor's cores are free meanwhile. */
  readonly freesProcessor?: boolean;
  /** Whether trees of a step stand one behind the other; else the places that shorter ones leave empty take time. */
  readonly packsTrees?: boolean;
  /** What drafts must be: trees if left out. A line is a tree in which every row is the parent of the next. */
  readonly drafts?: 'tree' | 'line';
  /** sha256 over the model's files. */
  readonly fingerprint: string;
  /** Nats below which the shape of a batch may turn a decision: several times what log-probabilities were seen to differ by. */
  readonly nearTieMargin: number;
  /** Rows of a sequence, at most, where nobody says how many: steps of all slots have room for them. */
  readonly usualRows: number;
  /** Columns of a sequence that steps are timed with: a prompt and a part of a text. */
  readonly usualColumns: number;
  /** Milliseconds spent inside the model so far. */
  readonly modelTime: { prefill: number; steps: number };
  /**
   * Caches all but the last of `ids` in a free slot; the last one is row 0 of the slot's first step.
   * Throws when the slot is taken or the ids don't fit.
   */
  admit(slot: number, ids: Int32Array): Promise<void>;
  /**
   * One model step; every admitted slot takes part. `topK` best tokens come with each verdict (at least 2).
   * Rejects with `notFinite` when a row has a logit that is NaN or infinite.
   */
  step(inputs: readonly StepInput[], topK: number, options?: StepOptions): Promise<Verdicts[]>;
  /** Keeps rows of the slot's last tree in the cache: a path that begins at row 0. The other rows are forgotten. */
  keep(slot: number, path: readonly number[]): void;
  release(slot: number): void;
  close(): Promise<void>;
}

/** The model's verdict on every row of one tree. */
export class Verdicts {
  private readonly columns: number;

  /**
   * @param packed [rows, 1 + 3 * topK]: probability of the row's token in its parent's row, then the highest logits,
   *   their probabilities, their tokens
   * @param states [rows, hiddenSize]: the normed hidden states that the head reads
   * @param first the tree's first row in all of them
   * @param all [rows, vocabulary]: the logits, where the step was asked for them
   */
  constructor(
    private readonly packed: Float32Array,
    private readonly states: Float32Array,
    private readonly first: number,
    private readonly hiddenSize: number,
    readonly topK: number,
    private readonly all?: { logits: Float32Array; vocabulary: number },
  ) {
    this.columns = 1 + 3 * topK;
  }

  /** Probability of the row's own token after its parent; meaningless for row 0. */
  ownProbability(row: number): number {
    return this.packed[(this.first + row) * this.columns] as number;
  }

  /** Logit of the token with the given rank (0 is the argmax) after this row. */
  logit(row: number, rank: number): number {
    return this.packed[(this.first + row) * this.columns + 1 + rank] as number;
  }

  probability(row: number, rank: number): number {
    return this.packed[(this.first + row) * this.columns + 1 + this.topK + rank] as number;
  }

  token(row: number, rank: number): number {
    return this.packed[(this.first + row) * this.columns + 1 + 2 * this.topK + rank] as number;
  }

  /** Logits of all tokens after this row, [vocabulary]; a view that is valid until the next step. */
  logits(row: number): Float32Array {
    if (this.all === undefined) throw new Error("the step wasn't asked for logits");
    const start = (this.first + row) * this.all.vocabulary;
    return this.all.logits.subarray(start, start + this.all.vocabulary);
  }

  /** Normed hidden state of this row, [hiddenSize]; it stays as it is while later steps run. */
  hidden(row: number): Float32Array {
    const start = (this.first + row) * this.hiddenSize;
    return this.states.subarray(start, start + this.hiddenSize);
  }
}

/** A logit that is NaN or infinite: nothing that is decoded from it means anything. */
export function notFinite(): DareError {
  return runError(
    'The model computed NaN or an infinite logit',
    'Its weights are broken, or overflow in the chosen weight type.',
  );
}
