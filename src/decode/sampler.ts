import { largest } from '../engine/logits.js';
import { Descending } from './descending.js';

/** What a token is drawn from: the model's distribution, changed in this order, as Hugging Face transformers does. */
export interface SamplingRule {
  /** Logits are divided by it, above 0. */
  temperature: number;
  /** The likeliest so many tokens are left; 0: all. */
  topK: number;
  /** Of these the likeliest that together have at least this share of the probability; 1: all. */
  topP: number;
  /** Of these the ones with at least this share of the likeliest token's probability; 0: all. */
  minP: number;
}

export interface Draw {
  token: number;
  /** Numerical noise could have turned it: see `Sampler.draw`. */
  near: boolean;
}

/** Least logit of a token that is left, and the open interval in which noise decides whether a token is. */
interface Cut {
  at: number;
  low: number;
  high: number;
}

const none: Cut = {
  at: Number.NEGATIVE_INFINITY,
  low: Number.NEGATIVE_INFINITY,
  high: Number.NEGATIVE_INFINITY,
};
/**
 * What a logit may be off by when draws are judged, in nats: five times the differences measured (`nearTieMargin`), with
 * all of them in the worst direction. A vocabulary of small probabilities has boundaries everywhere: the fifty times
 * that decisions between two tokens are given would count nearly every draw from a flat distribution.
 */
export const drawMargin = 1e-4;
/** Two logits of one row that move apart. */
const apart = 2 * drawMargin;

/** Draws tokens. Of tokens with the logit of the last one that is left all are left. Keeps its arrays between draws. */
export class Sampler {
  private readonly order = new Descending();
  private ids = new Int32Array(0);
  private weights = new Float64Array(0);
  /** Logits from the largest down, as far as they were looked at, and the sums of their weights. */
  private readonly values: number[] = [];
  private readonly sums: number[] = [];

  constructor(private readonly rule: SamplingRule) {}

  /**
   * The token at `uniform` of the cumulated distribution, in the order of the tokens' ids (which noise can't change).
   *
   * Near: when every logit may be off by `drawMargin`, the cumulated probability F below a token may be off so far
   * that ln F/(1 - F) changes by 2 * drawMargin / temperature: the worst case is that all logits on one side of it
   * grow and all others shrink. A draw that is closer than that to either end of its token's interval counts, and so
   * does one that is closer than the probability of tokens which noise may keep or drop.
   * @param logits [vocabulary]
   * @param uniform in [0, 1)
   * @throws runError when a logit is NaN or infinite
   */
  draw(logits: Float32Array, uniform: number): Draw {
    const { temperature } = this.rule;
    const max = largest(logits);
    const cut = this.cut(logits, max);
    const { total, kept, unsure } = this.collect(logits, max, cut);
    const target = uniform * total;
    let at = 0;
    let before = 0;
    let after = this.weights[0] as number;
    // the last one where rounding leaves the target at the total
    while (after <= target && at + 1 < kept) {
      at++;
      before = after;
      after += this.weights[at] as number;
    }
    const token = this.ids[at] as number;
    const margin = apart / temperature;
    const near =
      (logits[token] as number) < cut.high ||
      [before, after].some((end) => {
        if (Math.abs(end - target) < unsure) return true;
        if (end === 0 || end >= total) return false;
        const odds = Math.log(end / (total - end)) - Math.log(target / (total - target));
        return Math.abs(odds) < margin;
      });
    return { token, near };
  }

  /** Tokens that are left, in the order of their ids, with weights in proportion to their probabilities. */
  private collect(logits: Float32Array, max: number, { at, low, high }: Cut) {
    const { temperature } = this.rule;
    if (this.ids.length < logits.length) {
      this.ids = new Int32Array(logits.length);
      this.weights = new Float64Array(logits.length);
    }
    let kept = 0;
    let total = 0;
    let unsure = 0;
    for (let token = 0; token < logits.length; token++) {
      const logit = logits[token] as number;
      if (logit < at && logit <= low) continue;
      const weight = Math.exp((logit - max) / temperature);
      if (logit > low && logit < high) unsure += weight;
      if (logit < at) continue;
      this.ids[kept] = token;
      this.weights[kept] = weight;
      kept++;
      total += weight;
    }
    return { total, kept, unsure };
  }

  private cut(logits: Float32Array, max: number): Cut {
    const { topK, topP, minP, temperature } = this.rule;
    const limited = topK > 0 && topK < logits.length;
    let cut = none;
    if (limited || topP < 1) {
      this.order.fill(logits);
      this.values.length = 0;
      this.sums.length = 0;
      if (limited) cut = this.cutRank(topK, max);
      if (topP < 1) cut = strictest(cut, this.cutMass(logits, max, cut));
    }
    if (minP === 0) return cut;
    const least = max + temperature * Math.log(minP);
    return strictest(cut, { at: least, low: least - apart, high: least + apart });
  }

  private cutRank(topK: number, max: number): Cut {
    const last = () => this.values[this.values.length - 1] as number;
    while (this.values.length < topK || this.order.peek() === last()) this.next(max);
    const at = last();
    if (this.values.length === topK && at - this.order.peek() >= apart) return { at, low: at, high: at };
    // the rivals are looked at too: top-p has to know how much they weigh
    while (this.order.peek() > at - apart) this.next(max);
    return { at, low: at - apart, high: at + apart };
  }

  /** @param rank the cut of top-k, whose tokens make the whole */
  private cutMass(logits: Float32Array, max: number, rank: Cut): Cut {
    const { topP, temperature } = this.rule;
    let total = 0;
    let unsure = 0;
    if (rank === none) {
      for (const logit of logits) total += Math.exp((logit - max) / temperature);
    } else {
      for (const logit of this.values) {
        const weight = Math.exp((logit - max) / temperature);
        if (logit >= rank.at) total += weight;
        if (logit > rank.low && logit < rank.high) unsure += weight;
      }
    }
    const odds = topP / (1 - topP);
    const factor = Math.exp(apart / temperature);
    const share = (moved: number) => (moved === Number.POSITIVE_INFINITY ? 1 : moved / (1 + moved));
    const reached = this.reach(topP * total, max, rank.at);
    const first = this.reach(share(odds / factor) * (total - unsure), max, rank.at);
    const last = this.reach(share(odds * factor) * (total + unsure), max, rank.low);
    const at = this.value(reached, max);
    if (first === reached && last === reached && at - this.value(reached + 1, max) >= apart)
      return { at, low: at, high: at };
    return { at, low: this.value(last, max) - apart, high: this.value(first, max) + apart };
  }

  /** The place of the logit with which those from the largest down reach this weight, or that is `least`. */
  private reach(weight: number, max: number, least: number): number {
    for (let i = 0; ; i++) {
      const value = this.value(i, max);
      if (value === Number.NEGATIVE_INFINITY) return i - 1;
      if ((this.sums[i] as number) >= weight || value <= least) return i;
    }
  }

  /** The logit at a place of the descending order, -Infinity behind the last. */
  private value(place: number, max: number): number {
    while (place >= this.values.length) if (!this.next(max)) return Number.NEGATIVE_INFINITY;
    return this.values[place] as number;
  }

  /** Looks at one more logit; false when there is none. */
  private next(max: number): boolean {
    const value = this.order.pop();
    if (value === Number.NEGATIVE_INFINITY) return false;
    const sum = this.sums[this.sums.length - 1] ?? 0;
    this.values.push(value);
    this.sums.push(sum + Math.exp((value - max) / this.rule.temperature));
    return true;
  }
}

function strictest(a: Cut, b: Cut): Cut {
  return { at: Math.max(a.at, b.at), low: Math.max(a.low, b.low), high: Math.max(a.high, b.high) };
}
