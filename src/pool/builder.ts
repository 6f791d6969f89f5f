import { buildTrie } from './build.js';
import { decodeEscapes } from './escape.js';
import { encodePool, type LearntMetadata, openPool, type PoolMetadata } from './file.js';
import { calibrationTokens, chooseForFit, EscapeFit, fitTokens } from './fit.js';
import { Pool, type TrieColumns } from './trie.js';

/** Identifies the pool of a cohort; '' is the pool that all share. */
export type PoolKey = string;
export const sharedKey: PoolKey = '';

export function poolKey(entityType: string | null, cohort: string | null): PoolKey {
  return cohort === null ? sharedKey : JSON.stringify([entityType, cohort]);
}

export interface BuiltPool {
  key: PoolKey;
  bytes: SharedArrayBuffer;
  metadata: PoolMetadata;
}

/** What a pool is of: both null for the one that all share. */
export interface PoolOwner {
  entityType: string | null;
  cohort: string | null;
}

export const everybody: PoolOwner = { entityType: null, cohort: null };

interface Group extends PoolOwner {
  documents: Int32Array[];
}

/** Longest n-gram of pools where the configuration doesn't say. */
export const defaultMaxLength = 6;

/** What the pools of one model have in common. */
export interface PoolSettings {
  /** Fingerprint of the tokenizer. */
  tokenizer: string;
  /** Longest n-gram, in tokens. */
  maxLength: number;
  /** What the chat template puts before an answer: its end is the context of an answer's first tokens. */
  generationPrompt: Int32Array;
  endToken: number | undefined;
}

/** The part of a tokenizer that pools depend on. */
export interface PoolTokenizer {
  fingerprint: string;
  generationPrompt: Int32Array;
  /** The token that ends an answer. */
  answerEnd: number | undefined;
}

/** Settings of pools for a model's tokenizer. */
export function poolSettings(tokenizer: PoolTokenizer, maxLength: number): PoolSettings {
  const { fingerprint, generationPrompt, answerEnd } = tokenizer;
  return { tokenizer: fingerprint, maxLength, generationPrompt, endToken: answerEnd };
}

/** Tokens of the generation prompt that pools can make use of. */
export function contextLength({ generationPrompt, maxLength }: PoolSettings): number {
  return Math.min(generationPrompt.length, maxLength - 1);
}

/** Documents of one cohort that what the shared pool knows of all is learnt from. */
export interface FitGroup {
  entityType: string | null;
  documents: readonly Int32Array[];
  /** Opens the pool that holds them; undefined for texts without a cohort. */
  open: (() => Pool) | undefined;
}

/**
 * Learns what estimated chances are worth: drafting is what they are estimated by, and it knows pools, not they it.
 * @param shared pool of all, with its escape probabilities
 * @param members documents that it holds; groups may have others
 * @returns what `encodeChances` makes of the maps
 */
export type Calibrate = (
  settings: PoolSettings,
  groups: readonly FitGroup[],
  shared: Pool,
  members: ReadonlySet<Int32Array>,
) => Pick<LearntMetadata, 'chances' | 'chancesBy'>;

/** What the shared pool knows beside counts, learnt from documents of every cohort. */
export class SharedFit {
  private readonly escapes: EscapeFit;
  private readonly groups: FitGroup[] = [];

  /** @param calibrate chances count as they are estimated if left out */
  constructor(
    private readonly settings: PoolSettings,
    private readonly calibrate?: Calibrate,
  ) {
    this.escapes = new EscapeFit(settings.maxLength, contextLength(settings));
  }

  /** Takes in a part of a cohort's documents; all of them are given. `pool` holds them, and isn't kept. */
  add(
    { entityType }: Pick<PoolOwner, 'entityType'>,
    documents: readonly Int32Array[],
    cohorts: number,
    pool?: Pool,
    open?: () => Pool,
  ): void {
    const chosen = chooseForFit(documents, fitTokens / cohorts);
    this.escapes.add(chosen, pool);
    // the first of those chosen
    const drafted = chooseForFit(chosen, calibrationTokens / cohorts);
    this.groups.push({ entityType, documents: drafted, open });
  }

  /** As they stand in the metadata of the shared pool. */
  learn(columns: TrieColumns, documents: readonly Int32Array[]): LearntMetadata {
    const { settings, groups } = this;
    const { maxLength } = settings;
    const members = new Set(documents);
    const weights = this.escapes.weights(new Pool(columns, maxLength), members);
    const shared = new Pool(columns, maxLength, { escapes: decodeEscapes(weights) });
    return { weights, ...this.calibrate?.(settings, groups, shared, members) };
  }
}

/**
 * A text as it stands in pools: the end of what precedes an answer, as context of its first tokens, then the text, then
 * the end token.
 * @param complete whether the text ended by itself: then drafts may predict its end
 */
export function documentOf(settings: PoolSettings, ids: ArrayLike<number>, complete: boolean): Int32Array {
  const { generationPrompt, endToken } = settings;
  const prefix = generationPrompt.slice(generationPrompt.length - contextLength(settings));
  const end = complete && endToken !== undefined ? [endToken] : [];
  const document = new Int32Array(prefix.length + ids.length + end.length);
  document.set(prefix);
  document.set(ids, prefix.length);
  document.set(end, prefix.length + ids.length);
  return document;
}

/**
 * One pool of documents that `documentOf` made. Their order doesn't matter.
 * @param fit for the shared pool: it has documents of every cohort by then
 */
export function buildPool(
  settings: PoolSettings,
  { entityType, cohort }: PoolOwner,
  documents: readonly Int32Array[],
  fit?: SharedFit,
): BuiltPool {
  const { tokenizer, maxLength } = settings;
  const columns = buildTrie(documents, maxLength);
  const learnt = fit?.learn(columns, documents);
  const tokens = documents.reduce((sum, document) => sum + document.length, 0);
  const source = { tokenizer, entityType, cohort, maxLength, documents: documents.length, tokens, ...learnt };
  return { key: poolKey(entityType, cohort), ...encodePool(columns, source) };
}

/** Collects texts as token ids and builds one pool per entity type and cohort, and one of all texts. */
export class PoolBuilder {
  private readonly groups = new Map<PoolKey, Group>();
  texts = 0;

  /** @param calibrate chances count as they are estimated if left out */
  constructor(
    private readonly settings: PoolSettings,
    private readonly calibrate?: Calibrate,
  ) {}

  /** @param complete whether the text ended by itself */
  add(entityType: string | null, cohort: string | null, ids: ArrayLike<number>, complete: boolean): void {
    const key = poolKey(entityType, cohort);
    const group = this.groups.get(key) ?? { entityType, cohort, documents: [] };
    group.documents.push(documentOf(this.settings, ids, complete));
    this.groups.set(key, group);
    this.texts++;
  }

  /** The pools, ordered by entity type and cohort, the shared one first; none when there are no texts. */
  build(): BuiltPool[] {
    if (this.texts === 0) return [];
    const groups = [...this.groups.values()].sort(byName);
    const own: BuiltPool[] = [];
    const fit = new SharedFit(this.settings, this.calibrate);
    for (const group of groups) {
      const built = group.cohort === null ? undefined : buildPool(this.settings, group, group.documents);
      if (built !== undefined) own.push(built);
      const pool = built && openPool(built.bytes, 'A pool').pool;
      fit.add(group, group.documents, groups.length, pool, pool && (() => pool));
    }
    const everything = groups.flatMap(({ documents }) => documents);
    return [buildPool(this.settings, everybody, everything, fit), ...own];
  }
}

/** The shared pool first, then by entity type and cohort. */
export function byName(a: PoolOwner, b: PoolOwner): number {
  const [left, right] = [nameOf(a), nameOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function nameOf({ entityType, cohort }: PoolOwner): string {
  return cohort === null ? '' : `${entityType ?? ''}\0${cohort}`;
}
