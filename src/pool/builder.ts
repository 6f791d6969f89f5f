import { buildTrie } from './build.js';
import { CohortThread } from './cohort-thread.js';
import { decodeEscapes } from './escape.js';
import { encodePool, type LearntMetadata, openPool, type PoolMetadata } from './file.js';
import {
  calibrationTokens,
  chooseForFit,
  type DocumentOpinions,
  EscapeFit,
  fitTokens,
  placesForFit,
} from './fit.js';
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

/** Pools of fewer tokens of texts are built in one thread: to start another one takes as long. */
export const tokensForThread = 300_000;

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

  /**
   * Takes in a cohort's part.
   * @param build what `buildCohort` made of the job, with opinions
   * @param open opens the cohort's pool; undefined where there is none
   */
  add(
    { entityType, documents, cohorts }: CohortJob,
    build: CohortBuild,
    open: (() => Pool) | undefined,
  ): void {
    if (cohorts === undefined || build.opinions === undefined)
      throw new Error('a cohort that no fit was asked of');
    const { places, opinions } = build.opinions;
    const chosen = places.map((place) => documents[place] as Int32Array);
    this.escapes.add(chosen, opinions);
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

/** What a cohort's pool and the texts themselves say of the part of its documents that fits go through. */
export interface CohortOpinions {
  /** Of these documents among the cohort's. */
  places: number[];
  opinions: DocumentOpinions[];
}

/** @param pool holds the documents; left out for texts without a cohort */
function judgeCohort(
  settings: PoolSettings,
  documents: readonly Int32Array[],
  cohorts: number,
  pool: Pool | undefined,
): CohortOpinions {
  const places = placesForFit(documents, fitTokens / cohorts);
  const fit = new EscapeFit(settings.maxLength, contextLength(settings));
  const chosen = places.map((place) => documents[place] as Int32Array);
  return { places, opinions: fit.judge(chosen, pool) };
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

/** One pool of documents that `documentOf` made. Their order doesn't matter. */
export function buildPool(
  settings: PoolSettings,
  owner: PoolOwner,
  documents: readonly Int32Array[],
): BuiltPool {
  return encode(settings, owner, documents, buildTrie(documents, settings.maxLength));
}

/**
 * The pool that all share.
 * @param fit has documents of every cohort
 * @param columns of the documents' n-grams
 */
export function buildShared(
  settings: PoolSettings,
  documents: readonly Int32Array[],
  fit: SharedFit,
  columns = buildTrie(documents, settings.maxLength),
): BuiltPool {
  return encode(settings, everybody, documents, columns, fit.learn(columns, documents));
}

function encode(
  { tokenizer, maxLength }: PoolSettings,
  { entityType, cohort }: PoolOwner,
  documents: readonly Int32Array[],
  columns: TrieColumns,
  learnt: LearntMetadata = {},
): BuiltPool {
  const tokens = documents.reduce((sum, document) => sum + document.length, 0);
  const source = { tokenizer, entityType, cohort, maxLength, documents: documents.length, tokens, ...learnt };
  return { key: poolKey(entityType, cohort), ...encodePool(columns, source) };
}

/** What there is to build of one cohort. */
export interface CohortJob extends PoolOwner {
  /** All that its pool holds. */
  documents: readonly Int32Array[];
  /** Cohorts that fits go through; left out where the shared pool isn't built. */
  cohorts?: number;
}

export interface CohortBuild {
  /** None for texts without a cohort, and where the pool was there already. */
  built?: BuiltPool;
  opinions?: CohortOpinions;
}

/**
 * Builds a cohort's pool, and its part of what the shared pool learns.
 * @param earlier the pool, where it is there already
 */
export function buildCohort(
  settings: PoolSettings,
  { documents, cohorts, ...owner }: CohortJob,
  earlier?: Pool,
): CohortBuild {
  const { maxLength } = settings;
  let pool = earlier;
  let built: BuiltPool | undefined;
  if (pool === undefined && owner.cohort !== null && documents.length > 0) {
    const columns = buildTrie(documents, maxLength);
    built = encode(settings, owner, documents, columns);
    pool = new Pool(columns, maxLength);
  }
  return {
    ...(built === undefined ? {} : { built }),
    ...(cohorts === undefined ? {} : { opinions: judgeCohort(settings, documents, cohorts, pool) }),
  };
}

/** Collects texts as token ids and builds one pool per entity type and cohort, and one of all texts. */
export class PoolBuilder {
  private readonly groups = new Map<PoolKey, Group>();
  texts = 0;
  private tokens = 0;

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
    this.tokens += ids.length;
  }

  /** The pools, ordered by entity type and cohort, the shared one first; none when there are no texts. */
  build(): BuiltPool[] {
    if (this.texts === 0) return [];
    const jobs = this.jobs();
    return this.withShared(
      jobs,
      jobs.map((job) => buildCohort(this.settings, job)),
    );
  }

  /**
   * The same pools, those of the cohorts built by a thread beside this one where there is enough to do.
   * @param least tokens that are enough
   * @throws `signal.reason` once it is aborted; runError when the thread fails
   */
  async buildBeside(signal?: AbortSignal, least = tokensForThread): Promise<BuiltPool[]> {
    signal?.throwIfAborted();
    if (this.texts === 0 || this.tokens < least) return this.build();
    const jobs = this.jobs();
    const thread = new CohortThread(this.settings, signal);
    try {
      const building = Promise.all(jobs.map((job) => thread.build(job)));
      // its failure is told where it is awaited
      building.catch(() => undefined);
      const columns = buildTrie(allOf(jobs), this.settings.maxLength);
      return this.withShared(jobs, await building, columns);
    } finally {
      await thread.close();
    }
  }

  private jobs(): CohortJob[] {
    const groups = [...this.groups.values()].sort(byName);
    return groups.map((group) => ({ ...group, cohorts: groups.length }));
  }

  /** @param columns of the shared pool, if they are there already */
  private withShared(
    jobs: readonly CohortJob[],
    builds: readonly CohortBuild[],
    columns?: TrieColumns,
  ): BuiltPool[] {
    const fit = new SharedFit(this.settings, this.calibrate);
    for (const [i, build] of builds.entries()) {
      const { built } = build;
      fit.add(jobs[i] as CohortJob, build, built && (() => openPool(built.bytes, 'A pool').pool));
    }
    const own = builds.flatMap(({ built }) => built ?? []);
    return [buildShared(this.settings, allOf(jobs), fit, columns), ...own];
  }
}

function allOf(jobs: readonly CohortJob[]): Int32Array[] {
  return jobs.flatMap(({ documents }) => documents);
}

/** The shared pool first, then by entity type and cohort. */
export function byName(a: PoolOwner, b: PoolOwner): number {
  const [left, right] = [nameOf(a), nameOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function nameOf({ entityType, cohort }: PoolOwner): string {
  return cohort === null ? '' : `${entityType ?? ''}\0${cohort}`;
}
