/**
 * What comes next, estimated from n-gram counts: prediction by partial matching over the contexts of the sequence,
 * longest first, at each length in cohort pool, shared pool and own text. A context gives its counts' shares of the
 * probability that is left over, save what escapes to the contexts after it (src/pool/escape.ts).
 */
import { type Escapes, earlierTurns, escapeClass, sources, usualEscapes } from '../pool/escape.js';
import { Followers, type Ngrams } from '../pool/ngrams.js';

/** The own text's place among the sources. */
const own = sources - 1;
/** Tokens looked at in one context: the first that it lists; beyond them there is next to no mass. */
const widest = 8;
/** Mass below which shorter contexts aren't asked any more. */
const negligible = 0.05;
/** Candidates of one estimate. Contexts are few, so their tokens are too: 3 sources, 8 tokens, and up to ten lengths. */
const capacity = 256;
/** Slots of the table that finds a candidate by its token: a power of two, at most half full. */
const slots = 2 * capacity;

/** Estimates continuations of one context; the result lies in `tokens` and `scores`, `size` of them, unordered. */
export class Estimate {
  size = 0;
  readonly tokens = new Int32Array(capacity);
  readonly scores = new Float64Array(capacity);
  /** Candidate by hash of its token, for the estimate whose number `stamps` holds. */
  private readonly places = new Int16Array(slots);
  private readonly stamps = new Int32Array(slots);
  private stamp = 0;
  /** Highest score so far. */
  private best = 0;
  /** Nodes and lengths of the contexts by source: cohort pool, shared pool, own text. */
  private readonly node = new Int32Array(sources);
  private readonly depth = new Int32Array(sources);
  private readonly after = new Followers(widest);
  /** Whether a pool knew one of the contexts so far. */
  private pooled = false;
  private sources: readonly (Ngrams | undefined)[] = [];
  private escapes: Escapes = usualEscapes;

  /** @param ngrams cohort pool, shared pool, own text */
  use(ngrams: readonly (Ngrams | undefined)[], escapes: Escapes): void {
    this.sources = ngrams;
    this.escapes = escapes;
  }

  /**
   * @param states nodes and depths of the three sources, at `offset`, two numbers each
   * @param least where no token can have this probability, the result may be empty
   */
  compute(states: Int32Array, offset: number, least = 0): void {
    this.size = 0;
    this.best = 0;
    this.stamp++;
    this.pooled = false;
    let length = 0;
    for (let s = 0; s < sources; s++) {
      this.node[s] = states[offset + 2 * s] as number;
      this.depth[s] = states[offset + 2 * s + 1] as number;
      length = Math.max(length, this.depth[s] as number);
    }
    let mass = 1;
    const enough = least * (1 - negligible);
    for (; length >= 0 && mass >= negligible; length--) {
      mass = this.addLength(length, mass);
      if (this.best + mass < enough) {
        this.size = 0;
        return;
      }
    }
    // what was left out agrees with what wasn't, as a rule
    if (mass < negligible) this.scale(1 / (1 - mass));
  }

  /** Adds what contexts of this length say, then shortens them; returns the mass that is left over. */
  private addLength(length: number, mass: number): number {
    const { node, depth, after } = this;
    let left = mass;
    for (let s = 0; s < sources; s++) {
      const source = this.sources[s];
      if (source === undefined || depth[s] !== length) continue;
      source.followers(node[s] as number, after);
      if (after.total > 0) {
        const isPool = s < own;
        this.pooled ||= isPool;
        const origin = !isPool && this.pooled && after.earlier ? earlierTurns : s;
        const through = this.escapes[escapeClass(origin, length, after)] as number;
        this.add(after, (left * (1 - through)) / after.total);
        left *= through;
      }
      if (length === 0) continue;
      node[s] = source.shorter(node[s] as number, length);
      depth[s] = length - 1;
    }
    return left;
  }

  /** Candidate with the highest score, the first of several; 0 where there is none. */
  get likeliest(): number {
    const { scores, size } = this;
    let best = 0;
    for (let i = 1; i < size; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
    return best;
  }

  private add({ size, tokens, counts }: Followers, unit: number): void {
    for (let i = 0; i < size; i++) {
      const place = this.placeOf(tokens[i] as number);
      if (place === capacity) continue;
      const score = (this.scores[place] as number) + unit * (counts[i] as number);
      this.scores[place] = score;
      if (score > this.best) this.best = score;
    }
  }

  /** Where the token's score lies; `capacity` when there is no room for it. */
  private placeOf(token: number): number {
    const { places, stamps, stamp } = this;
    let slot = Math.imul(token, 0x9e3779b1) >>> 23;
    while (stamps[slot] === stamp) {
      const place = places[slot] as number;
      if (this.tokens[place] === token) return place;
      slot = (slot + 1) & (slots - 1);
    }
    if (this.size === capacity) return capacity;
    const place = this.size++;
    stamps[slot] = stamp;
    places[slot] = place;
    this.tokens[place] = token;
    this.scores[place] = 0;
    return place;
  }

  private scale(factor: number): void {
    const { scores, size } = this;
    for (let i = 0; i < size; i++) scores[i] = (scores[i] as number) * factor;
  }
}
