import { createHash } from 'node:crypto';
import { inputError } from '../errors.js';
import { duckVersion } from '../lake/duck.js';
import type { Manifest } from '../lake/manifest.js';
import { PoolTexts, type TextGroup, type TextRules } from '../lake/pool-texts.js';
import { sqlVersion } from '../sql-version.js';
import type { StageTools } from '../stage.js';
import {
  type BuiltPool,
  buildShared,
  type Calibrate,
  cohortPool,
  documentOf,
  type PoolSettings,
  type PromptLookup,
  SharedFit,
  tokensForThread,
} from './builder.js';
import { chancePoints } from './chances.js';
import { type CohortBuild, CohortBuilder, type CohortJob } from './cohort.js';
import { CohortThread } from './cohort-thread.js';
import { escapeClasses } from './escape.js';
import { poolFormat } from './file.js';
import {
  type EarlierPool,
  earlierPools,
  isWhole,
  openEarlier,
  openWritten,
  type PoolToWrite,
  type WrittenPools,
  writePools,
} from './folder.js';
import { BalancedDocuments, Retention } from './retention.js';
import { SharedGrams } from './sharing.js';
import type { Pool } from './trie.js';

export interface RefreshJob {
  /** Folder for the pools. */
  out: string;
  /** Parquet files or globs of texts, the oldest first. */
  sources: readonly string[];
  /** Whether it is an error that there are no texts. */
  needsTexts: boolean;
  /** Folders with earlier pools that may be taken over, the first one first. They need not exist. */
  earlier: readonly string[];
  settings: PoolSettings;
  /** Learns what estimated chances are worth. */
  calibrate: Calibrate;
  /** Where the prompts of the texts can be found, if anywhere. */
  prompts?: {
    lookup: PromptLookup;
    /** Stands for what is there: another shared pool is built where it has changed. */
    fingerprint: string;
  };
  encode: (text: string) => Int32Array;
  rules: TextRules;
  /** What the manifest says beyond what it always says. */
  manifest: Manifest;
  /** Throws when a source was changed since the job was made. */
  checkUnchanged: () => void;
  /** Folder for texts that are being sorted; the system's temporary folder when left out. */
  temporary?: string;
  /** From so many tokens on a thread builds the cohorts' pools while texts are read; a usual number when left out. */
  tokensForThread?: number;
}

export interface Refreshed extends WrittenPools {
  /** Texts that pools were made of, or chosen from where there is a cap. */
  texts: number;
  built: number;
  takenOver: number;
  /** Texts that a pattern keeps out. */
  excluded: number;
  /** Older texts of prompts that have a newer one. */
  superseded: number;
}

/**
 * Brings the pools of a folder up to date with the texts. A pool is built only where no earlier pool was made of the same
 * texts in the same way; the shared one whenever any text changed. Equal inputs make equal files.
 *
 * Memory: a page of texts, the token ids of two cohorts, of one of them twice, and of the shared pool (each at most
 * `rules.maxTokens`), what building one pool takes, and DuckDB's limit.
 * @throws inputError for texts that can't be read or aren't there; the earlier pools stay then
 */
export async function refreshPools(job: RefreshJob, tools: StageTools): Promise<Refreshed> {
  if (job.sources.length === 0) return await writeNone(job, keyOf(job, []), {});
  const options = job.temporary === undefined ? {} : { temporary: job.temporary };
  const texts = await PoolTexts.open(job.sources, job.rules, tools.signal, options);
  try {
    return await refresh(job, texts, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    throw error;
  } finally {
    texts.close();
  }
}

async function refresh(job: RefreshJob, texts: PoolTexts, tools: StageTools): Promise<Refreshed> {
  const { excluded, superseded } = texts;
  const counts = { texts: texts.texts, excluded, superseded };
  const key = keyOf(job, texts.columns);
  if (counts.texts === 0) {
    if (!job.needsTexts) return await writeNone(job, key, counts);
    const kept = excluded === 0 ? '' : `: pools.exclude keeps out all ${excluded}`;
    throw inputError(
      `${job.sources.join(', ')} holds no texts${kept}`,
      'Expected rows with a text and no error.',
    );
  }
  const earlier = await wholePools(job.earlier, key);
  const run = new Refresh(job, texts, earlier, tools);
  const written = await writePools(job.out, run.pools(), { ...described(job, key), ...counts });
  return { ...written, ...counts, built: run.built, takenOver: run.takenOver };
}

/** What there was to build of a cohort, and what was built. */
interface CohortOutcome {
  job: CohortJob;
  /** Ids of the prompts that its documents answer. */
  answered: Pick<WeakMap<Int32Array, string>, 'get'>;
  build: CohortBuild;
  /** The cohort's pool, where it was there already. */
  earlier: EarlierPool | undefined;
  /** Of its texts. */
  fingerprint: string;
}

/** The pools of one refresh, one after the other, and how many of them were built. */
class Refresh {
  built = 0;
  takenOver = 0;
  /** Of the documents so far. */
  private tokens = 0;
  private readonly builder: CohortBuilder;
  /** Builds the cohorts' pools, once there is enough to do. */
  private thread: CohortThread | undefined;

  constructor(
    private readonly job: RefreshJob,
    private readonly texts: PoolTexts,
    private readonly earlier: (fingerprint: string) => Promise<EarlierPool | undefined>,
    private readonly tools: StageTools,
  ) {
    this.builder = new CohortBuilder(job.settings);
  }

  /** @throws what `checkUnchanged` does, when all are built and none is published */
  async *pools(): AsyncGenerator<PoolToWrite> {
    const { settings, rules, calibrate, out } = this.job;
    const { groups } = this.texts;
    const ofAll = sharedFingerprint(groups, this.job.prompts?.fingerprint);
    const shared = await this.take(ofAll);
    const own: (EarlierPool | undefined)[] = [];
    for (const group of groups)
      own.push(group.cohort === null ? undefined : await this.take(fingerprintOf(group)));
    // a cohort whose texts are all longer than the cap has no pool, then and now
    const all = new BalancedDocuments(rules.maxTokens);
    const fit = new SharedFit(settings, calibrate);
    const wanted = groups.map(
      ({ cohort }, i) => shared === undefined || (cohort !== null && own[i] === undefined),
    );
    const { progress } = this.tools;
    if (wanted.includes(true)) {
      await this.texts.arrange();
      progress.expect(groups.reduce((sum, { texts }, i) => sum + (wanted[i] ? texts : 0), 0));
    }
    for (const before of own) if (before !== undefined) yield before;
    try {
      for await (const { job, answered, build, earlier, fingerprint } of this.cohorts(
        wanted,
        own,
        shared === undefined,
      )) {
        const built = cohortPool(settings, job, build);
        if (built !== undefined) {
          this.built++;
          yield { ...built, fingerprint };
        }
        if (shared !== undefined) continue;
        all.add(job.documents);
        // from files: the memory is given back meanwhile
        const open = earlier === undefined ? built && openerOf(out, built) : () => openEarlier(earlier);
        fit.add(job, build.opinions, open, answered);
      }
    } finally {
      await this.thread?.close();
    }
    // no text is read for it any more
    if (shared === undefined) progress.note('building the shared pool');
    yield shared ?? (await this.buildShared(all, ofAll, fit));
    this.job.checkUnchanged();
  }

  /** Builds what is wanted of the cohorts: while one is read, the thread builds the one before. */
  private async *cohorts(
    wanted: readonly boolean[],
    own: readonly (EarlierPool | undefined)[],
    fits: boolean,
  ): AsyncGenerator<CohortOutcome> {
    let last: Promise<CohortOutcome> | undefined;
    for (const [i, group] of this.texts.groups.entries()) {
      if (!wanted[i]) continue;
      const { entityType, cohort } = group;
      const share = fits ? { share: group.texts / this.texts.texts } : {};
      const { documents, answered } = await this.keptOf(i);
      const job = { entityType, cohort, documents, ...share };
      const before = await last;
      last = this.start(job, own[i]).then((build) => ({
        job,
        answered,
        build,
        earlier: own[i],
        fingerprint: fingerprintOf(group),
      }));
      // its failure is told where it is awaited
      last.catch(() => undefined);
      if (before !== undefined) yield before;
    }
    if (last !== undefined) yield await last;
  }

  private async start(job: CohortJob, earlier: EarlierPool | undefined): Promise<CohortBuild> {
    const { tokensForThread: enough = tokensForThread } = this.job;
    this.tokens += job.documents.reduce((sum, { length }) => sum + length, 0);
    if (this.tokens >= enough) this.thread ??= new CohortThread(this.job.settings, this.tools.signal);
    if (this.thread !== undefined) return await this.thread.build(job, earlier);
    return this.builder.build(job, earlier && openEarlier(earlier));
  }

  private async buildShared(
    documents: BalancedDocuments,
    fingerprint: string,
    fit: SharedFit,
  ): Promise<PoolToWrite> {
    this.built++;
    const { settings, prompts } = this.job;
    const known = (await prompts?.lookup(fit.promptIds)) ?? new Map();
    return { ...buildShared(settings, documents.documents(), fit, known), fingerprint };
  }

  private async take(fingerprint: string): Promise<EarlierPool | undefined> {
    const pool = await this.earlier(fingerprint);
    if (pool !== undefined) this.takenOver++;
    return pool;
  }

  /** The documents of a group that its pool holds, the most useful first, and the prompts that they answer. */
  private async keptOf(
    group: number,
  ): Promise<{ documents: Int32Array[]; answered: Pick<WeakMap<Int32Array, string>, 'get'> }> {
    const { settings, encode, rules, prompts } = this.job;
    const { maxTokens = Number.POSITIVE_INFINITY, keep } = rules;
    const kept = new Retention(maxTokens);
    const score =
      maxTokens < Number.POSITIVE_INFINITY && keep === 'frequent' ? await this.scores(group) : () => 0;
    // what isn't kept of the documents is forgotten here, too
    const answered = new WeakMap<Int32Array, string>();
    let read = 0;
    for await (const page of this.texts.pages(group)) {
      this.tools.signal.throwIfAborted();
      for (const { text, complete, promptId } of page) {
        const points = score(text);
        if (!kept.wants(points)) continue;
        const document = documentOf(settings, encode(text), complete);
        kept.offer(document, points);
        if (prompts !== undefined && promptId !== null) answered.set(document, promptId);
      }
      this.tools.progress.advance(page.length);
      read += page.length;
      // pages are in the order of usefulness, unless texts are scored
      if (keep !== 'frequent' && !kept.wants(0)) break;
    }
    // beyond the cap
    this.tools.progress.skip((this.texts.groups[group] as TextGroup).texts - read);
    return { documents: kept.documents(), answered };
  }

  private async scores(group: number): Promise<(text: string) => number> {
    const grams = new SharedGrams();
    for await (const page of this.texts.pages(group)) {
      this.tools.signal.throwIfAborted();
      for (const { text } of page) grams.add(text);
    }
    return (text) => grams.score(text);
  }
}

/** Keeps no more of a pool that was written than its name. */
function openerOf(out: string, { metadata }: BuiltPool): () => Pool {
  return () => openWritten(out, metadata);
}

/** Finds earlier pools by the fingerprint of their texts; each is read once to see whether it is whole. */
async function wholePools(
  dirs: readonly string[],
  key: string,
): Promise<(fingerprint: string) => Promise<EarlierPool | undefined>> {
  const found = new Map<string, EarlierPool[]>();
  for (const dir of dirs) {
    for (const pool of await earlierPools(dir, key)) {
      const { fingerprint } = pool.entry;
      if (fingerprint !== undefined) found.set(fingerprint, [...(found.get(fingerprint) ?? []), pool]);
    }
  }
  return async (fingerprint) => {
    for (const pool of found.get(fingerprint) ?? []) if (await isWhole(pool)) return pool;
    return undefined;
  };
}

async function writeNone(job: RefreshJob, key: string, counts: Partial<Refreshed>): Promise<Refreshed> {
  const all = { texts: 0, excluded: 0, superseded: 0, ...counts };
  const written = await writePools(job.out, [], { ...described(job, key), ...all });
  return { ...written, ...all, built: 0, takenOver: 0 };
}

function described({ settings, sources, manifest }: RefreshJob, key: string): Manifest {
  return { stage: 'pools', key, tokenizer: settings.tokenizer, sources: sources.length, ...manifest };
}

/** A hash of all that decides a pool beside its texts. */
function keyOf({ settings, rules }: RefreshJob, columns: PoolTexts['columns']): string {
  const { generationPrompt, ...others } = settings;
  const versions = {
    format: poolFormat,
    weights: escapeClasses,
    chances: chancePoints,
    duckdb: duckVersion(),
    sql: sqlVersion('pools'),
  };
  const parts = { ...versions, ...others, generationPrompt: [...generationPrompt], rules, columns };
  return sha256(JSON.stringify(parts));
}

/** With the names: equal texts of two cohorts make different pools. */
function fingerprintOf({ entityType, cohort, fingerprint }: TextGroup): string {
  return sha256(JSON.stringify([entityType, cohort, fingerprint]));
}

function sharedFingerprint(groups: readonly TextGroup[], prompts = ''): string {
  return sha256([...groups.map(fingerprintOf), prompts].join('\n'));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
