import { type Escapes, encodeEscapes, escapeClass, escapeClasses, sources, usualEscapes } from './escape.js';
import { Followers, type Ngrams, type PoolState } from './ngrams.js';
import { OwnText } from './own.js';

/** Tokens of documents that a fit is made from: more of them change next to nothing. */
export const fitTokens = 40_000;
/** Rounds of expectation-maximisation: after these the fit hardly moves. */
const rounds = 8;
/** Contexts that the usual escape probabilities count for in each class: rare classes stay near them. */
const prior = 10;
/** Followers looked at: enough to find nearly every token. */
const widest = 64;

/**
 * Chooses documents to fit to: `tokens` of them at least, if there are as many. The choice depends on the documents'
 * contents alone, not on their order.
 */
export function chooseForFit<T extends { tokens: ArrayLike<number> }>(
  documents: readonly T[],
  tokens = fitTokens,
): T[] {
  const keyed = documents.map((document) => ({ document, key: hashOf(document.tokens) }));
  keyed.sort((a, b) => a.key - b.key);
  const chosen: T[] = [];
  let sum = 0;
  for (const { document } of keyed) {
    if (sum >= tokens) break;
    chosen.push(document);
    sum += document.tokens.length;
  }
  return chosen;
}

/** FNV-1a over token ids. */
function hashOf(tokens: ArrayLike<number>): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < tokens.length; i++) hash = Math.imul(hash ^ (tokens[i] as number), 0x01000193);
  return hash >>> 0;
}

/**
 * Fits escape probabilities to documents of the pools, each as if the pools had been built without it: its own counts
 * are taken off (leave-one-out), so nothing is built twice. Likelihood of the documents' tokens, maximised by
 * expectation-maximisation (Jelinek & Mercer 1980) over the classes of contexts.
 *
 * The same documents in the same order give the same result.
 */
export class EscapeFit {
  /** Contexts of each token, in the order in which they are asked: the class, and the token's share of the counts. */
  private readonly classes: number[] = [];
  private readonly shares: number[] = [];
  /** Where the contexts of each token end. */
  private readonly ends: number[] = [];
  /** The whole document, and what came before the token. */
  private readonly whole: OwnText;
  private readonly before: OwnText;
  private readonly after = new Followers(widest);
  private readonly own = new Followers(widest);

  /** @param maxLength the longest n-gram of the pools */
  constructor(
    private readonly vocabulary: number,
    maxLength: number,
  ) {
    this.whole = new OwnText(vocabulary, maxLength);
    this.before = new OwnText(vocabulary, maxLength);
  }

  /**
   * Takes in one document.
   * @param skip its first tokens are context only: what stands before every answer
   * @param cohort pool of its cohort, if there is one
   * @param shared pool of all; the document is part of both
   */
  add(document: ArrayLike<number>, skip: number, cohort: Ngrams | undefined, shared: Ngrams): void {
    const { whole, before } = this;
    whole.clear();
    before.clear();
    for (let i = 0; i < document.length; i++) whole.append(document[i] as number);
    const ngrams = [cohort, shared, before, whole];
    const states = ngrams.map(() => ({ node: 0, depth: 0 }));
    for (let i = 0; i < document.length; i++) {
      const token = document[i] as number;
      if (i >= skip) this.addToken(token, ngrams, states);
      before.append(token);
      for (let s = 0; s < ngrams.length; s++) ngrams[s]?.walk(states[s] as PoolState, token);
    }
  }

  /** Escape probabilities as they stand in a pool's metadata. */
  weights(): number[] {
    let escapes = usualEscapes;
    for (let round = 0; round < rounds; round++) escapes = this.improve(escapes);
    return encodeEscapes(escapes);
  }

  /** Goes through the contexts as `Estimate` does, the whole document's beside those of the pools. */
  private addToken(
    token: number,
    ngrams: readonly (Ngrams | undefined)[],
    states: readonly PoolState[],
  ): void {
    const { after, own } = this;
    const at = states.map(({ node, depth }) => ({ node, depth }));
    const whole = at[sources] as PoolState;
    for (let length = Math.max(...at.map(({ depth }) => depth)); length >= 0; length--) {
      own.total = own.size = 0;
      if (whole.depth === length) this.whole.followers(whole.node, own);
      for (let s = 0; s < at.length; s++) {
        const source = ngrams[s];
        const state = at[s] as PoolState;
        if (source === undefined || state.depth !== length) continue;
        if (s < sources) {
          source.followers(state.node, after);
          if (source !== this.before) takeOff(after, own);
          if (after.total > 0) this.addContext(s, length, token);
        }
        if (length === 0) continue;
        state.node = source.shorter(state.node, length);
        state.depth--;
      }
    }
    this.ends.push(this.classes.length);
  }

  private addContext(source: number, length: number, token: number): void {
    const { after } = this;
    const at = indexOf(after, token);
    this.classes.push(escapeClass(source, length, after));
    this.shares.push(at < 0 ? 0 : (after.counts[at] as number) / after.total);
  }

  /** One round: how often contexts of each class are expected to be asked, and to be passed by. */
  private improve(escapes: Escapes): Escapes {
    const { classes, shares, ends } = this;
    const asked = new Float64Array(escapeClasses).fill(prior);
    const passed = usualEscapes.map((usual) => usual * prior);
    let from = 0;
    for (const to of ends) {
      let mass = 1;
      let likelihood = 0;
      for (let i = from; i < to; i++) {
        const through = escapes[classes[i] as number] as number;
        likelihood += mass * (1 - through) * (shares[i] as number);
        mass *= through;
      }
      // the rest is any token of the vocabulary
      likelihood += mass / this.vocabulary;
      mass = 1;
      let left = 1;
      for (let i = from; i < to; i++) {
        const at = classes[i] as number;
        const through = escapes[at] as number;
        asked[at] = (asked[at] as number) + left;
        left = Math.max(0, left - (mass * (1 - through) * (shares[i] as number)) / likelihood);
        passed[at] = (passed[at] as number) + left;
        mass *= through;
      }
      from = to;
    }
    return passed.map((count, at) => count / (asked[at] as number));
  }
}

function indexOf({ tokens, size }: Followers, token: number): number {
  for (let i = 0; i < size; i++) if (tokens[i] === token) return i;
  return -1;
}

/** Takes a document's own counts off those of a pool that it is part of. */
function takeOff(after: Followers, own: Followers): void {
  const { tokens, counts } = after;
  after.total -= own.total;
  for (let i = 0; i < own.size; i++) {
    const at = indexOf(after, own.tokens[i] as number);
    if (at < 0) continue;
    const left = (counts[at] as number) - (own.counts[i] as number);
    counts[at] = left;
    if (left > 0) continue;
    after.distinct--;
    after.size--;
    tokens.copyWithin(at, at + 1, after.size + 1);
    counts.copyWithin(at, at + 1, after.size + 1);
  }
}
