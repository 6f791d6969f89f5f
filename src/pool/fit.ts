import { type Escapes, encodeEscapes, escapeClass, escapeClasses, sources, usualEscapes } from './escape.js';
import { LeftOut, type Opinions, unknown } from './left-out.js';
import { type Counted, Followers, type PoolState } from './ngrams.js';
import { OwnText } from './own.js';
import type { Pool } from './trie.js';

/** Tokens of documents that a fit is made from: more of them change next to nothing. */
export const fitTokens = 40_000;
/**
 * The same for what chances are worth: their drafts take longer, and more of them tell little more. On texts held out, 5,000,
 * 10,000, 20,000 and 40,000 tokens leave log-losses of the nodes' chances within 0.3% of each other.
 */
export const calibrationTokens = 10_000;
/** Rounds of expectation-maximisation: after these the fit hardly moves. */
const rounds = 8;
/**
 * Contexts that the usual escape probabilities count for in each class. Few texts say little of texts to come: with less,
 * pools of a hundred texts lose a percent of the tokens a step that pools of thousands gain.
 */
export const prior = 300;
/** Followers of an own text that are looked at to find the likeliest; pools list it first. */
const widest = 64;
/** Probability of a token that no context gives. */
const unforeseen = 1e-5;

/** What a document's cohort and its own text say of it, as if the pools had been built without it. */
export interface DocumentOpinions {
  ofCohort: Opinions | undefined;
  ofOwn: Opinions;
}

interface Sample extends DocumentOpinions {
  document: Int32Array;
}

/** The contexts of all tokens, side by side in the order in which they are asked. */
interface Asked {
  /** Where those of a token begin, [tokens + 1]. */
  starts: Int32Array;
  classes: Int16Array;
  /** The token's share of the context's counts. */
  shares: Float32Array;
}

/**
 * Chooses documents to fit to: `tokens` of them at least, if there are as many. The choice depends on the documents'
 * contents alone, not on their order.
 */
export function chooseForFit(documents: readonly Int32Array[], tokens: number): Int32Array[] {
  return placesForFit(documents, tokens).map((place) => documents[place] as Int32Array);
}

/** The same as their places among the documents. */
export function placesForFit(documents: readonly Int32Array[], tokens: number): number[] {
  const keyed = documents.map((document, place) => ({ place, key: hashOf(document) }));
  keyed.sort((a, b) => a.key - b.key);
  const chosen: number[] = [];
  let sum = 0;
  for (const { place } of keyed) {
    if (sum >= tokens) break;
    chosen.push(place);
    sum += (documents[place] as Int32Array).length;
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
  private readonly first = new Followers(1);
  private readonly newest = new Followers(widest);
  private readonly leftOut = new LeftOut();
  /** The document at hand: all of it, and as far as it was gone through. */
  private whole = new OwnText(1, 1);
  private before = this.whole;
  private vocabulary = 0;

  /**
   * @param maxLength the longest n-gram of the pools
   * @param skip first tokens of a document that are context only: what stands before every answer
   */
  constructor(
    private readonly maxLength: number,
    private readonly skip: number,
  ) {}

  /**
   * Goes through documents of one cohort; another thread's `EscapeFit` may do it.
   * @param cohort the pool that holds them; undefined for texts without a cohort
   */
  judge(documents: readonly Int32Array[], cohort: Pool | undefined): DocumentOpinions[] {
    return documents.map((document) => {
      this.take(document);
      return {
        ofCohort: cohort && this.leftOut.opinions(cohort, this.whole, document, 0, this.skip),
        ofOwn: this.opinionsOf(this.before, 2, document),
      };
    });
  }

  /** Takes in documents of one cohort, and what `judge` made of them. */
  add(documents: readonly Int32Array[], opinions: readonly DocumentOpinions[]): void {
    for (const [i, document] of documents.entries())
      this.samples.push({ document, ...(opinions[i] as DocumentOpinions) });
  }

  /**
   * Escape probabilities as they stand in the metadata of the shared pool.
   * @param members the documents that it holds; the sample may have others
   */
  weights(shared: Pool, members: ReadonlySet<Int32Array>): number[] {
    const asked = this.ask(shared, members);
    let escapes = usualEscapes;
    for (let round = 0; round < rounds; round++) escapes = improve(escapes, asked, sources * this.maxLength);
    return encodeEscapes(escapes);
  }

  /** Fills `whole` with a document, and empties `before`. */
  private take(document: Int32Array): void {
    const vocabulary = document.reduce((largest, token) => Math.max(largest, token), 0) + 1;
    if (vocabulary > this.vocabulary) {
      this.vocabulary = Math.max(vocabulary, 2 * this.vocabulary);
      this.whole = new OwnText(this.vocabulary, this.maxLength);
      this.before = new OwnText(this.vocabulary, this.maxLength);
    }
    this.whole.clear();
    this.before.clear();
    for (const token of document) this.whole.append(token);
  }

  /** What all sources say of all documents. */
  private ask(shared: Pool, members: ReadonlySet<Int32Array>): Asked {
    const { samples, maxLength, skip } = this;
    const tokens = samples.reduce((sum, { document }) => sum + Math.max(0, document.length - skip), 0);
    const starts = new Int32Array(tokens + 1);
    const classes = new Int16Array(tokens * sources * maxLength);
    const shares = new Float32Array(classes.length);
    let size = 0;
    let token = 0;
    for (const { document, ofCohort, ofOwn } of samples) {
      this.take(document);
      const ofShared = members.has(document)
        ? this.leftOut.opinions(shared, this.whole, document, 1, skip)
        : this.opinionsOf(shared, 1, document);
      const opinions = [ofCohort, ofShared, ofOwn];
      for (let i = skip; i < document.length; i++) {
        for (let at = (i + 1) * maxLength - 1; at >= i * maxLength; at--) {
          for (const opinion of opinions) {
            const class_ = opinion?.classes[at] ?? unknown;
            if (class_ === unknown) continue;
            classes[size] = class_;
            shares[size++] = opinion?.shares[at] as number;
          }
        }
        starts[++token] = size;
      }
    }
    return { starts, classes, shares };
  }

  /**
   * Goes through the contexts of every token as `Estimate` does.
   * @param ngrams `before` is filled with the document on the way
   */
  private opinionsOf(ngrams: Counted, source: number, document: Int32Array): Opinions {
    const { maxLength, before } = this;
    const after = ngrams === before ? this.newest : this.first;
    const classes = new Int16Array(document.length * maxLength).fill(unknown);
    const shares = new Float32Array(classes.length);
    const state: PoolState = { node: 0, depth: 0 };
    for (const [i, token] of document.entries()) {
      let { node } = state;
      for (let length = i < this.skip ? -1 : state.depth; length >= 0; length--) {
        ngrams.followers(node, after);
        if (after.total > 0) {
          classes[i * maxLength + length] = escapeClass(source, length, after);
          shares[i * maxLength + length] = ngrams.countAfter(node, token) / after.total;
        }
        if (length > 0) node = ngrams.shorter(node, length);
      }
      if (ngrams === before) before.append(token);
      ngrams.walk(state, token);
    }
    return { classes, shares };
  }
}

/**
 * One round: how often contexts of each class are expected to be asked, and to be passed by.
 * @param most contexts of a token
 */
function improve(escapes: Escapes, { starts, classes, shares }: Asked, most: number): Escapes {
  const asked = new Float64Array(escapeClasses).fill(prior);
  const passed = usualEscapes.map((usual) => usual * prior);
  // of one token
  const chances = new Float64Array(most);
  for (let token = 0; token + 1 < starts.length; token++) {
    const start = starts[token] as number;
    const size = (starts[token + 1] as number) - start;
    let mass = 1;
    let likelihood = 0;
    for (let k = 0; k < size; k++) {
      const through = escapes[classes[start + k] as number] as number;
      const chance = mass * (1 - through) * (shares[start + k] as number);
      chances[k] = chance;
      likelihood += chance;
      mass *= through;
    }
    likelihood += mass * unforeseen;
    let left = 1;
    for (let k = 0; k < size; k++) {
      const at = classes[start + k] as number;
      asked[at] = (asked[at] as number) + left;
      left = Math.max(0, left - (chances[k] as number) / likelihood);
      passed[at] = (passed[at] as number) + left;
    }
  }
  return passed.map((count, at) => count / (asked[at] as number));
}
