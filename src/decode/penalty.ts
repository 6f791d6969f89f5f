import type { TreeRows, Verdicts } from '../engine/engine.js';
import { best, largest } from '../engine/logits.js';
import type { RowVerdicts } from './verify.js';

/**
 * The repetition penalty of CTRL (Keskar et al. 2019, arXiv 1909.05858, section 4.1) as Hugging Face transformers
 * defines it: the logit of every token that prompt or output hold already is divided by the factor where it is
 * positive, multiplied by it where it is negative, once however often the token stands there.
 *
 * In a draft tree the tokens of a row's path count too, so each row has the logits that it would have alone.
 */
export class RepetitionPenalty {
  private readonly seen = new Set<number>();
  private changed = new Float32Array(0);

  /** @param factor above 0; 1 changes nothing, more makes repetitions less likely */
  constructor(private readonly factor: number) {}

  /** Takes over a token of the prompt or of the output. */
  append(token: number): void {
    this.seen.add(token);
  }

  /** Changed logits after a row of the tree; valid until the next call. */
  logits(tree: TreeRows, verdicts: Verdicts, row: number): Float32Array {
    const given = verdicts.logits(row);
    if (this.changed.length !== given.length) this.changed = new Float32Array(given.length);
    const { changed } = this;
    changed.set(given);
    for (const token of this.seen) changed[token] = this.penalised(given[token] as number);
    // row 0 is the last token of the text: it has been seen
    for (let at = row; at > 0; at = tree.parents[at] as number) {
      const token = tree.tokens[at] as number;
      changed[token] = this.penalised(given[token] as number);
    }
    return changed;
  }

  private penalised(logit: number): number {
    return logit > 0 ? logit / this.factor : logit * this.factor;
  }
}

/** What the changed logits of a row say. */
interface Ranked {
  tokens: number[];
  logits: number[];
  /** The children's logits by their rows. */
  children: Map<number, number>;
}

/** The model's verdicts after the penalty, computed for the rows that are asked about. */
export class PenalisedVerdicts implements RowVerdicts {
  private readonly rows = new Map<number, Ranked>();
  /** ln of the sum of e^logit over the vocabulary, by row. */
  private readonly logTotals = new Map<number, number>();

  /** @param topK best tokens that are asked about */
  constructor(
    private readonly tree: TreeRows,
    private readonly verdicts: Verdicts,
    private readonly penalty: RepetitionPenalty,
    private readonly topK: number,
  ) {}

  ownProbability(row: number): number {
    const parent = this.tree.parents[row] as number;
    return Math.exp((this.ranked(parent).children.get(row) as number) - this.logTotal(parent));
  }

  logit(row: number, rank: number): number {
    return this.ranked(row).logits[rank] as number;
  }

  probability(row: number, rank: number): number {
    return Math.exp(this.logit(row, rank) - this.logTotal(row));
  }

  token(row: number, rank: number): number {
    return this.ranked(row).tokens[rank] as number;
  }

  private ranked(row: number): Ranked {
    const known = this.rows.get(row);
    if (known !== undefined) return known;
    const logits = this.penalty.logits(this.tree, this.verdicts, row);
    // refuses NaN and infinity
    largest(logits);
    const tokens = best(logits, this.topK);
    const children = new Map<number, number>();
    this.tree.parents.forEach((parent, child) => {
      if (parent === row) children.set(child, logits[this.tree.tokens[child] as number] as number);
    });
    const made = {
      tokens,
      logits: tokens.map((token) => logits[token] as number),
      children,
    };
    this.rows.set(row, made);
    return made;
  }

  /** Only relaxed verification asks for probabilities, so the exponentials of a vocabulary are computed for it alone. */
  private logTotal(row: number): number {
    const known = this.logTotals.get(row);
    if (known !== undefined) return known;
    const logits = this.penalty.logits(this.tree, this.verdicts, row);
    const max = largest(logits);
    let total = 0;
    for (let token = 0; token < logits.length; token++) total += Math.exp((logits[token] as number) - max);
    const made = max + Math.log(total);
    this.logTotals.set(row, made);
    return made;
  }
}
