import { buildTrie } from './build.js';
import {
  type CohortBuild,
  CohortBuilder,
  type CohortJob,
  type CohortOpinions,
  contextLength,
} from './cohort.js';
import { CohortThread } from './cohort-thread.js';
import { decodeEscapes } from './escape.js';
import { encodePool, type LearntMetadata, openPool, type PoolMetadata } from './file.js';
import { calibrationTokens, chooseForFit, EscapeFit } from './fit.js';
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

/** Pools of fewer tokens of texts are built in one thread: another one has to start and to be compiled first. */
export const tokensForThread = 2_000_000;

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

/** Documents of one cohort that what the shared pool knows of all is learnt from. */
export interface FitGroup {
  entityType: string | null;
  documents: readonly Int32Array[];
  /** Opens the pool that holds them; undefined for texts without a cohort. */
  open: (() => Pool) | undefined;
}

/** Brings the prompts of these ids, as the model's tokens; those that nobody knows are left out. */
export type PromptLookup = (ids: readonly string[]) => Promise<KnownPrompts>;
/** Prompts by their ids. */
export type KnownPrompts = Pick<ReadonlyMap<string, Int32Array>, 'get'>;
const noPrompts: KnownPrompts = new Map();

/**
 * Learns what estimated chances are worth: drafting is what they are estimated by, and it knows pools, not they it.
 * @param shared pool of all, with its escape probabilities
 * @param members documents that it holds; groups may have others
 * @param promptOf the prompt that a document answers, where it is known
 * @returns what `encodeChances` makes of the maps
 */
export type Calibrate = (
  settings: PoolSettings,
  groups: readonly FitGroup[],
  shared: Pool,
  members: ReadonlySet<Int32Array>,
  promptOf: (document: Int32Array) => Int32Array | undefined,
) => Pick<LearntMetadata, 'chances' | 'chancesBy' | 'relaxed'>;

/** What the shared pool knows beside counts, learnt from documents of every cohort. */
export class SharedFit {
  private readonly escapes: EscapeFit;
  private readonly groups: FitGroup[] = [];
  /** Ids of the prompts that the documents answer which chances are learnt from. */
  private readonly answered = new Map<Int32Array, string>();

  /** @param calibrate chances count as they are estimated if left out */
  constructor(
    private readonly settings: PoolSettings,
    private readonly calibrate?: Calibrate,
  ) {
    this.escapes = new EscapeFit(settings.maxLength, contextLength(settings));
  }

  /**
   * Takes in a cohort's part.
   * @param part what `CohortBuilder` made of the job
   * @param open opens the cohort's pool; undefined where there is none
   * @param answered ids of the prompts that documents answer
   */
  add(
    { entityType, documents, share }: CohortJob,
    part: CohortOpinions | undefined,
    open: (() => Pool) | undefined,
    answered: Pick<ReadonlyMap<Int32Array, string>, 'get'>,
  ): void {
    if (share === undefined || part === undefined) throw new Error('a cohort that no fit was asked of');
    const { places, opinions } = part;
    const chosen = places.map((place) => documents[place] as Int32Array);
    this.escapes.add(chosen, opinions);
    // the first of those chosen
    const drafted = chooseForFit(chosen, calibrationTokens * share);
    this.groups.push({ entityType, documents: drafted, open });
    for (const document of drafted) {
      const promptId = answered.get(document);
      if (promptId !== undefined) this.answered.set(document, promptId);
    }
  }

  /** Of the prompts that `learn` makes use of. */
  get promptIds(): string[] {
    return [...new Set(this.answered.values())];
  }

  /** As they stand in the metadata of the shared pool. */
  learn(columns: TrieColumns, documents: readonly Int32Array[], prompts: KnownPrompts): LearntMetadata {
    const { settings, groups } = this;
    const { maxLength } = settings;
    const members = new Set(documents);
    const weights = this.escapes.weights(new Pool(columns, maxLength), members);
    const shared = new Pool(columns, maxLength, { escapes: decodeEscapes(weights) });
    const promptOf = (document: Int32Array) => prompts.get(this.answered.get(document) ?? '');
    return { weights, ...this.calibrate?.(settings, groups, shared, members, promptOf) };
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

/** One pool of documents that `documentOf` made. Their order doesn't matter. */
export function buildPool(
  settings: PoolSettings,
  owner: PoolOwner,
  documents: readonly Int32Array[],
): BuiltPool {
  return encode(settings, { ...owner, documents }, buildTrie(documents, settings.maxLength));
}

/** The pool of a cohort as `CohortBuilder` built it; undefined where it built none. */
export function cohortPool(
  settings: PoolSettings,
  job: CohortJob,
  { trie }: CohortBuild,
): BuiltPool | undefined {
  return trie && encode(settings, job, trie.columns, {}, trie.version);
}

/**
 * The pool that all share.
 * @param fit has documents of every cohort
 * @param prompts those of `fit.promptIds`
 * @param columns of the documents' n-grams
 */
export function buildShared(
  settings: PoolSettings,
  documents: readonly Int32Array[],
  fit: SharedFit,
  prompts: KnownPrompts,
  columns = buildTrie(documents, settings.maxLength),
): BuiltPool {
  return encode(settings, { ...everybody, documents }, columns, fit.learn(columns, documents, prompts));
}

function encode(
  { tokenizer, maxLength }: PoolSettings,
  { entityType, cohort, documents }: PoolOwner & Pick<CohortJob, 'documents'>,
  columns: TrieColumns,
  learnt: LearntMetadata = {},
  version?: string,
): BuiltPool {
  const tokens = documents.reduce((sum, document) => sum + document.length, 0);
  const source = { tokenizer, entityType, cohort, maxLength, documents: documents.length, tokens, ...learnt };
  return { key: poolKey(entityType, cohort), ...encodePool(columns, source, version) };
}

/** Collects texts as token ids and builds one pool per entity type and cohort, and one of all texts. */
export class PoolBuilder {
  private readonly groups = new Map<PoolKey, Group>();
  private readonly answered = new Map<Int32Array, string>();
  texts = 0;
  private tokens = 0;

  /** @param calibrate chances count as they are estimated if left out */
  constructor(
    private readonly settings: PoolSettings,
    private readonly calibrate?: Calibrate,
  ) {}

  /**
   * @param complete whether the text ended by itself
   * @param promptId of the prompt that it answers, where that can be looked up
   */
  add(
    entityType: string | null,
    cohort: string | null,
    ids: ArrayLike<number>,
    complete: boolean,
    promptId?: string | null,
  ): void {
    const key = poolKey(entityType, cohort);
    const group = this.groups.get(key) ?? { entityType, cohort, documents: [] };
    const document = documentOf(this.settings, ids, complete);
    group.documents.push(document);
    if (typeof promptId === 'string') this.answered.set(document, promptId);
    this.groups.set(key, group);
    this.texts++;
    this.tokens += ids.length;
  }

  /**
   * The pools, ordered by entity type and cohort, the shared one first; none when there are no texts.
   * @param prompts of those texts that chances are learnt from
   */
  build(prompts = noPrompts): BuiltPool[] {
    if (this.texts === 0) return [];
    const jobs = this.jobs();
    const { fit, own } = this.fitted(jobs, this.alone().build);
    return [buildShared(this.settings, allOf(jobs), fit, prompts), ...own];
  }

  /**
   * The same pools, those of the cohorts built by a thread beside this one where there is enough to do.
   * @param least tokens that are enough
   * @param lookup brings the prompts of those texts that chances are learnt from
   * @throws `signal.reason` once it is aborted; runError when the thread fails
   */
  async buildBeside(
    signal?: AbortSignal,
    least = tokensForThread,
    lookup: PromptLookup = async () => noPrompts,
  ): Promise<BuiltPool[]> {
    signal?.throwIfAborted();
    if (this.texts === 0) return [];
    const jobs = this.jobs();
    const { columns, build } = this.tokens < least ? this.alone() : await this.beside(jobs, signal);
    const { fit, own } = this.fitted(jobs, build);
    const prompts = await lookup(fit.promptIds);
    return [buildShared(this.settings, allOf(jobs), fit, prompts, columns), ...own];
  }

  /** Builds cohorts in this thread, when they are asked for. */
  private alone(): { columns: undefined; build: (job: CohortJob) => CohortBuild } {
    const builder = new CohortBuilder(this.settings);
    return { columns: undefined, build: (job) => builder.build(job) };
  }

  /** Cohorts that another thread has built, in their order: each is given back once its file is made. */
  private async beside(jobs: readonly CohortJob[], signal: AbortSignal | undefined) {
    const { columns, builds } = await this.tries(jobs, new CohortThread(this.settings, signal));
    return { columns, build: () => builds.shift() as CohortBuild };
  }

  /** Those of the cohorts from the thread, which is closed then: its memory isn't needed any more; and the shared one. */
  private async tries(
    jobs: readonly CohortJob[],
    thread: CohortThread,
  ): Promise<{ columns: TrieColumns; builds: CohortBuild[] }> {
    try {
      const building = Promise.all(jobs.map((job) => thread.build(job)));
      // its failure is told where it is awaited
      building.catch(() => undefined);
      const columns = buildTrie(allOf(jobs), this.settings.maxLength);
      return { columns, builds: await building };
    } finally {
      await thread.close();
    }
  }

  private jobs(): CohortJob[] {
    const groups = [...this.groups.values()].sort(byName);
    return groups.map((group) => ({ ...group, share: group.documents.length / this.texts }));
  }

  /** The cohorts' pools, and what is learnt from their texts. @param build asked of each job once, in their order */
  private fitted(
    jobs: readonly CohortJob[],
    build: (job: CohortJob) => CohortBuild,
  ): { fit: SharedFit; own: BuiltPool[] } {
    const fit = new SharedFit(this.settings, this.calibrate);
    const own = jobs.flatMap((job) => {
      const part = build(job);
      const built = cohortPool(this.settings, job, part);
      fit.add(job, part.opinions, built && (() => openPool(built.bytes, 'A pool').pool), this.answered);
      return built ?? [];
    });
    return { fit, own };
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
