import type { Chances } from './chances.js';
import type { Escapes } from './escape.js';
import type { DraftProfile } from './profile.js';

/** What estimated chances are worth; as they are estimated if left out. */
export interface LearntMaps {
  /** How often paths of an estimated chance come. */
  readonly chances?: Chances | undefined;
  /** The same for texts of one entity type, by its name: texts of users and of items aren't equally predictable. */
  readonly chancesBy?: ReadonlyMap<string, Chances> | undefined;
}

/** What drafts are like; it isn't known if left out. */
export interface Profiles {
  readonly profile?: DraftProfile | undefined;
  /** Of texts of one entity type, by its name. */
  readonly profileBy?: ReadonlyMap<string, DraftProfile> | undefined;
}

/** What was learnt from texts when pools were built; `usualEscapes`, and chances as they are estimated, if left out. */
export interface Learnt extends LearntMaps {
  /** How far counts are trusted. */
  readonly escapes?: Escapes | undefined;
  /** Of the drafts of mode relaxed. */
  readonly relaxed?: (LearntMaps & Profiles) | undefined;
}

/** Where a walk stands: a context that the table knows, and its length in tokens. Node 0 is the empty context. */
export interface PoolState {
  node: number;
  depth: number;
}

/** The tokens that followed one context, the first of them by the table's order; one object serves many contexts. */
export class Followers {
  /** How often the context occurred with a token after it; 0 where nothing follows. */
  total = 0;
  /** Distinct tokens that followed: not just those that are listed. */
  distinct = 0;
  /** How many are listed in `tokens` and `counts`: at most `limit`. */
  size = 0;
  /** Whether an own text has them of earlier turns of its chat alone; pools leave it as it is. */
  earlier = false;
  readonly tokens: Int32Array;
  readonly counts: Int32Array;

  constructor(readonly limit: number) {
    this.tokens = new Int32Array(limit);
    this.counts = new Int32Array(limit);
  }
}

/** Counts of n-grams, as drafting sees them. */
export interface Ngrams {
  /** Longest n-gram that is counted; contexts have up to maxLength - 1 tokens. */
  readonly maxLength: number;

  /** Moves `state` to the longest known context that ends in `token`. */
  walk(state: PoolState, token: number): void;

  /** The node of the context that is one token shorter (the first one left out) than `node`, `depth` tokens long. */
  shorter(node: number, depth: number): number;

  /** Fills `into` with what followed the context. */
  followers(node: number, into: Followers): void;
}

/** N-grams that tell of each token how often it followed a context, as fits need it. */
export interface Counted extends Ngrams {
  /** How often `token` followed the context of `node`. */
  countAfter(node: number, token: number): number;
}
