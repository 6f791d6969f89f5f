import { type Escapes, encodeEscapes, escapeClass, escapeClasses, usualEscapes } from './escape.js';
import { Followers, type Ngrams, type PoolState } from './ngrams.js';
import { OwnText } from './own.js';

/** Tokens of documents that a fit is made from: more of them change next to nothing. */
export const fitTokens = 40_000;
/** Rounds of expectation-maximisation: after these the fit hardly moves. */
const rounds = 8;
/**
 * Contexts that the usual escape probabilities count for in each class. Few texts say little of texts to come: with less,
 * pools of a hundred texts lose a percent of the tokens a step that pools of thousands gain.
 */
export const prior = 300;
/** Followers looked at: enough to find nearly every token. */
const widest = 64;
/** Probability of a token that no context gives. */
const unforeseen = 1e-5;
/** In place of a class: the source doesn't know the context. */
const unknown = -1;

/** What one source says of a document: for each token and length of context, the class and the token's share. */
interface Opinions {
  /** [tokens * maxLength] */
  classes: Int16Array;
  shares: Float32Array;
}

interface Sample {
  document: Int32Array;
  whole: OwnText;
  /** In the order of sources; those of the shared pool come last. */
  opinions: (Opinions | undefined)[];
}

/**
 * Chooses documents to fit to: `tokens` of them at least, if there are as many. The choice depends on the documents'
 * contents alone, not on their order.
 */
export function chooseForFit(documents: readonly Int32Array[], tokens: number): Int32Array[] {
  const keyed = documents.map((document) => ({ document, key: hashOf(document) }));
  keyed.sort((a, b) => a.key - b.key);
  const chosen: Int32Array[] = [];
  let sum = 0;
  for (const { document } of keyed) {
    if (sum >= tokens) break;
    chosen.push(document);
    sum += document.length;
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
 * are taken off (leave-one-out), so nothing is built twice, and one pool at a time is needed. Likelihood of the
 * documents' tokens, maximised by expectation-maximisation (Jelinek & Mercer 1980) over the classes of contexts.
 *
 * The same documents in the same order give the same result.
 */
export class EscapeFit {
  private readonly samples: Sample[] = [];
  private readonly after = new Followers(widest);
  private readonly own = new Followers(widest);

  /**
   * @param maxLength the longest n-gram of the pools
   * @param skip first tokens of a document that are context only: what stands before every answer
   */
  constructor(
    private readonly maxLength: number,
    private readonly skip: number,
  ) {}

  /**
   * Takes in documents of one cohort.
   * @param cohort the pool that holds them; undefined for texts without a cohort
   */
  add(documents: readonly Int32Array[], cohort: Ngrams | undefined): void {
    for (const document of documents) {
      const vocabulary = document.reduce((largest, token) => Math.max(largest, token), 0) + 1;
      const whole = new OwnText(vocabulary, this.maxLength);
      for (const token of document) whole.append(token);
      const before = new OwnText(vocabulary, this.maxLength);
      const ofCohort = cohort && this.opinionsOf(cohort, 0, document, whole);
      this.samples.push({
        document,
        whole,
        opinions: [ofCohort, undefined, this.opinionsOf(before, 2, document)],
      });
    }
  }

  /**
   * Escape probabilities as they stand in the metadata of the shared pool.
   * @param members the documents that it holds; the sample may have others
   */
  weights(shared: Ngrams, members: ReadonlySet<Int32Array>): number[] {
    for (const { document, whole, opinions } of this.samples)
      opinions[1] = this.opinionsOf(shared, 1, document, members.has(document) ? whole : undefined);
    let escapes = usualEscapes;
    for (let round = 0; round < rounds; round++) escapes = this.improve(escapes);
    return encodeEscapes(escapes);
  }

  /**
   * Goes through the contexts of every token as `Estimate` does.
   * @param ngrams an `OwnText` is filled with the document on the way
   * @param whole counts of the document, to be taken off
   */
  private opinionsOf(ngrams: Ngrams, source: number, document: Int32Array, whole?: OwnText): Opinions {
    const { maxLength, after, own } = this;
    const classes = new Int16Array(document.length * maxLength).fill(unknown);
    const shares = new Float32Array(classes.length);
    const state: PoolState = { node: 0, depth: 0 };
    const wholeState: PoolState = { node: 0, depth: 0 };
    for (const [i, token] of document.entries()) {
      let { node } = state;
      let { node: ownNode, depth: ownDepth } = wholeState;
      for (let length = i < this.skip ? -1 : state.depth; length >= 0; length--) {
        ngrams.followers(node, after);
        if (whole !== undefined) {
          // the document is in the pool, so its context is as long or longer
          for (; ownDepth > length; ownDepth--) ownNode = whole.shorter(ownNode);
          whole.followers(ownNode, own);
          takeOff(after, own);
        }
        if (after.total > 0) {
          const at = indexOf(after, token);
          classes[i * maxLength + length] = escapeClass(source, length, after);
          shares[i * maxLength + length] = at < 0 ? 0 : (after.counts[at] as number) / after.total;
        }
        if (length > 0) node = ngrams.shorter(node, length);
      }
      if (ngrams instanceof OwnText) ngrams.append(token);
      ngrams.walk(state, token);
      whole?.walk(wholeState, token);
    }
    return { classes, shares };
  }

  /** One round: how often contexts of each class are expected to be asked, and to be passed by. */
  private improve(escapes: Escapes): Escapes {
    const asked = new Float64Array(escapeClasses).fill(prior);
    const passed = usualEscapes.map((usual) => usual * prior);
    // of one token: its contexts in the order in which they are asked
    const classes: number[] = [];
    const chances: number[] = [];
    for (const { document, opinions } of this.samples) {
      for (let i = this.skip; i < document.length; i++) {
        classes.length = chances.length = 0;
        let mass = 1;
        let likelihood = 0;
        for (let length = this.maxLength - 1; length >= 0; length--) {
          for (const opinion of opinions) {
            const at = opinion?.classes[i * this.maxLength + length] ?? unknown;
            if (at === unknown) continue;
            const through = escapes[at] as number;
            const chance = mass * (1 - through) * (opinion?.shares[i * this.maxLength + length] as number);
            classes.push(at);
            chances.push(chance);
            likelihood += chance;
            mass *= through;
          }
        }
        likelihood += mass * unforeseen;
        let left = 1;
        for (const [k, at] of classes.entries()) {
          asked[at] = (asked[at] as number) + left;
          left = Math.max(0, left - (chances[k] as number) / likelihood);
          passed[at] = (passed[at] as number) + left;
        }
      }
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
