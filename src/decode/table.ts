import pLimit from 'p-limit';
import type { DecodeConfig } from '../config/schema.js';
import { DareError, runError } from '../errors.js';
import type { RunKey } from '../lake/kept-journal.js';
import { KeptRows } from '../lake/kept-rows.js';
import { inPools, type KeptSums, KeptTexts } from '../lake/kept-texts.js';
import type { Manifest } from '../lake/manifest.js';
import type { PromptFile, PromptRow } from '../lake/pages.js';
import type { Shard } from '../lake/shards.js';
import { sortInto } from '../lake/sort.js';
import { poolKey, poolSettings } from '../pool/builder.js';
import { noPools, type PoolSet } from '../pool/folder.js';
import type { StageTools } from '../stage.js';
import type { TextModel } from '../text/tokenizer.js';
import type { DecodeWorker } from './client.js';
import { addKept, addOutcome, lacksPool, noCounts, type TableCounts } from './counts.js';
import { promptLookup } from './prompt-lookup.js';
import { streamKey } from './random.js';
import { RoundPools } from './round-pools.js';
import { hashShare, roundOf, roundShares } from './rounds.js';
import { errorRow, promptIds, textRow } from './row.js';
import { inShard } from './run-key.js';
import { type LoopStatistics, noStatistics } from './statistics.js';
import { takeOver } from './take-over.js';
import { settingsKey, type TextSettings, textKey } from './text-key.js';
import type { TraceFile } from './trace-file.js';

export interface TableJob {
  /** Whoever opened it closes it. */
  prompts: PromptFile;
  /** The texts table to publish. */
  out: string;
  /** Folder that keeps rows as they are finished, until the table is published. */
  kept: string;
  /** Rows of a run with another key aren't taken over. */
  run: RunKey;
  /** The share of the prompts that is decoded; all when left out. */
  shard?: Shard | undefined;
  config: DecodeConfig;
  pools: PoolSet;
  /** Longest n-gram of pools made between rounds. */
  maxLength: number;
  tokenizer: TextModel;
  /** Width of the model's sliding window, where that is what limits its context. */
  window?: number | undefined;
  worker: DecodeWorker;
  tools: StageTools;
  /** Told of the steps of the prompts that it takes. */
  trace?: TraceFile | undefined;
  /** What decides the texts. */
  settings: TextSettings;
  /** Earlier tables whose texts are taken over where this run would write the same. */
  reuse: { tables: readonly string[]; strict: boolean };
  /** Texts of the first round before this run, if there are some: their prompts aren't decoded again. */
  firstRound?: string | undefined;
  /** Writes such texts. */
  isFirstRound?: boolean;
  /** Stands in the file's key-value metadata. */
  metadata: (result: Described) => Record<string, unknown>;
  /** What the manifest beside the table says of it; without it there is none. */
  manifest?: (result: Described) => Manifest;
}

/** What a table's files say of how it was decoded. */
export type Described = Pick<TableResult, 'counts' | 'statistics' | 'poolVersion'>;

export interface TableResult {
  counts: TableCounts;
  statistics: LoopStatistics;
  /** Why prompts failed, the first few. */
  failures: string[];
  /** What the last round was drafted from. */
  poolVersion: string | null;
  /** Prompts of the last round: their texts are in none of the run's own pools. */
  sample: PromptRow[];
}

interface Sampled {
  prompt: PromptRow;
  place: number;
}

const shownFailures = 3;
/** Texts that the pools between rounds are made of at most: beyond it acceptance gains little, and memory is bounded. */
const roundTexts = 5000;
const sampleSize = 24;

/**
 * Decodes a table of prompts into a table of texts, in rounds where there are no earlier texts to draft from:
 * `open`, `decode`, `publish`, and `close` in any case.
 */
export class TableRun {
  private readonly counts = noCounts();
  private statistics = noStatistics();
  private failures: string[] = [];
  private sample: Sampled[] = [];
  /** Prompts of the rounds so far. */
  private members = 0;
  /** Rows without a text that this run has kept. */
  private newFailures = 0;
  private pools: PoolSet;
  private settings: string;
  private readonly shares: number[];
  private readonly ownPools: RoundPools;

  private constructor(
    private readonly job: TableJob,
    private readonly rows: KeptRows,
    private readonly kept: KeptTexts,
    /** Which prompts' texts are kept: marks of KeptTexts. */
    private readonly finished: Uint8Array,
    private readonly keptSums: readonly KeptSums[],
  ) {
    const { config, pools, tokenizer, maxLength } = job;
    this.pools = pools;
    this.settings = keySettings(job, pools);
    const inRounds = pools.version === null && config.mode !== 'autoregressive';
    this.shares = inRounds ? roundShares(config.rounds.first, config.rounds.growth) : [1];
    this.ownPools = new RoundPools(
      poolSettings(tokenizer, maxLength),
      promptLookup(tokenizer, [job.prompts.file]),
    );
  }

  /** Opens what an earlier run with the same key has finished. */
  static async open(job: TableJob): Promise<TableRun> {
    const { prompts } = job;
    let rows: KeptRows | undefined;
    let kept: KeptTexts | undefined;
    try {
      rows = await KeptRows.open(job.kept, job.run, job.tools.log);
      const pooled = job.pools.version !== null;
      kept = await KeptTexts.open(rows.parts, pooled);
      let finished = await kept.finished(prompts.file, prompts.rows, rows.rows);
      for (const texts of textTables(job)) {
        if ((await takeOverInto(rows, job, texts, unfinished(prompts, finished, job.shard))) === 0) continue;
        kept.close();
        kept = await KeptTexts.open(rows.parts, pooled);
        finished = await kept.finished(prompts.file, prompts.rows, rows.rows);
      }
      const run = new TableRun(job, rows, kept, finished, await kept.sums());
      run.failures = await kept.failures(shownFailures);
      return run;
    } catch (error) {
      kept?.close();
      await rows?.abort();
      throw error;
    }
  }

  /** Texts that the next run can take over: rows without one are kept too, and don't count. */
  get finishedTexts(): number {
    return this.rows.rows - this.keptFailures - this.newFailures;
  }

  /** Rows without a text that an earlier run kept. */
  private get keptFailures(): number {
    return this.keptSums.reduce((sum, { failed }) => sum + failed, 0);
  }

  /** Decodes all prompts. Nothing is published yet. */
  async decode(): Promise<TableResult> {
    const { worker, tools, config } = this.job;
    worker.usePools(this.pools.bytes);
    const prompts = await this.countPrompts();
    tools.progress.start('decode', prompts);
    tools.progress.watch(this.counts);
    await this.takeOverAll(prompts);
    let pooled = this.ownPools.texts;
    for (let round = 0; round < this.shares.length; round++) {
      if (round > 0) pooled = await this.refreshPools();
      // enough texts in the pools: what is left is decoded in one round
      const last = round === this.shares.length - 1 || pooled >= roundTexts;
      await this.resume(round, last);
      await this.decodeRound(round, last);
      this.counts.rounds++;
      if (last) break;
    }
    if (this.counts.rows !== this.members) {
      throw runError(`${this.counts.rows} of ${this.members} prompts were decoded: they changed meanwhile`);
    }
    this.checkFailures(config.maxFailedShare);
    tools.progress.done();
    this.statistics = await worker.statistics();
    return {
      ...this.described(),
      failures: this.failures,
      sample: this.sample.map(({ prompt }) => prompt),
    };
  }

  /** Puts the texts into order and publishes the table. The worker isn't needed for it. */
  async publish(): Promise<void> {
    const { out, metadata, manifest } = this.job;
    const said = manifest?.(this.described());
    await sortInto(await this.rows.close(), out, {
      inTheMaking: this.job.isFirstRound === true,
      metadata: metadata(this.described()),
      ...(said === undefined ? {} : { manifest: said }),
    });
    await this.rows.remove();
  }

  /** What is finished stays, unless it was published. */
  async close(): Promise<void> {
    this.kept.close();
    await this.rows.abort();
  }

  private described(): Described {
    return { counts: this.counts, statistics: this.statistics, poolVersion: this.pools.version };
  }

  /** Prompts of the table, or of the shard. */
  private async countPrompts(): Promise<number> {
    const { shard } = this.job;
    if (shard === undefined) return this.job.prompts.rows;
    let count = 0;
    for await (const page of this.job.prompts.ids()) count += page.filter((id) => inShard(id, shard)).length;
    return count;
  }

  /** Counts what earlier tables and a first round had; in rounds it is there to draft from. */
  private async takeOverAll(prompts: number): Promise<void> {
    const { tools } = this.job;
    const taken = this.keptSums.filter((sums) => sums.takenOver || sums.firstRound);
    addKept(this.counts, taken, this.pools);
    const { takenOver: count, firstRound } = this.counts;
    if (firstRound > 0) this.counts.rounds++;
    const resumed = this.finishedTexts - count - firstRound;
    const of = `of ${prompts} texts`;
    if (firstRound > 0) tools.log.info({}, `${firstRound} ${of} are of the first round`);
    if (count > 0) tools.log.info({}, `${count} ${of} are taken over from earlier tables`);
    if (resumed > 0) tools.log.info({}, `${resumed} ${of} were finished before: going on behind them`);
    tools.progress.skip(this.rows.rows);
    if (count === 0 || this.shares.length === 1) return;
    for (const text of await this.kept.takenOver(roundTexts)) this.ownPools.add(text);
    await this.refreshPools();
  }

  /** What an earlier run finished of a round. */
  private async resume(round: number, last: boolean): Promise<void> {
    addKept(
      this.counts,
      this.keptSums.filter((sums) => sums.round === round && !sums.takenOver && !sums.firstRound),
      this.pools,
    );
    if (last) return;
    for await (const text of this.kept.texts(round)) this.ownPools.add(text);
  }

  /** Decodes the prompts of one round, or of it and all later ones. */
  private async decodeRound(round: number, andLater: boolean): Promise<void> {
    const { worker, tools } = this.job;
    // twice the slots, so that a prompt is waiting whenever a slot becomes free
    const inFlight = worker.slots * 2;
    const limit = pLimit(inFlight);
    const running = new Set<Promise<void>>();
    let failure: unknown;
    let wake: (() => void) | undefined;
    this.sample = [];
    for await (const page of this.job.prompts.pages()) {
      for (const prompt of page) {
        tools.signal.throwIfAborted();
        if (failure !== undefined) throw failure;
        const member = roundOf(prompt.promptId, this.shares);
        if (andLater ? member < round : member !== round) continue;
        if (!inShard(prompt.promptId, this.job.shard)) continue;
        this.members++;
        const mark = this.finished[prompt.row];
        if (mark !== inPools) this.keepInSample(prompt);
        if (mark !== 0) continue;
        const task = limit(() => this.decodePrompt(prompt, round, andLater)).catch((error: unknown) => {
          failure ??= error;
        });
        running.add(task);
        void task.then(() => {
          running.delete(task);
          wake?.();
        });
        // pages are read only as fast as prompts are decoded; a race of all that run would touch each of them every time
        if (limit.pendingCount >= inFlight) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    }
    await Promise.all(running);
    tools.signal.throwIfAborted();
    if (failure !== undefined) throw failure;
  }

  private async decodePrompt(prompt: PromptRow, round: number, last: boolean): Promise<void> {
    const { tokenizer, worker, tools, trace } = this.job;
    const source = { poolVersion: this.pools.version, round };
    const { ids, problem } = this.encoded(prompt);
    this.counts.rows++;
    if (ids === undefined || problem !== undefined) {
      this.counts.failed++;
      if (this.failures.length < shownFailures) this.failures.push(`${prompt.promptId}: ${problem}`);
      await this.rows.append(errorRow(prompt, ids?.length ?? null, problem as string, source));
      this.newFailures++;
      tools.progress.advance(1);
      return;
    }
    const key = poolKey(prompt.entityType, prompt.cohort);
    if (lacksPool(this.pools, key)) this.counts.unknownCohort++;
    const stream = streamKey(this.job.config.sampling.seed, prompt.promptId);
    const traced = trace?.takes(prompt.promptId) === true;
    const outcome = await worker.decode({ promptIds: ids, stream, traced }, key);
    const text = outcome.stoppedText ?? tokenizer.decode(outcome.outputIds);
    if (traced) trace.add(prompt, { ...source, promptTokens: ids.length, text }, outcome);
    const row = textRow(prompt, ids.length, outcome, text, source, this.keyOf(prompt));
    if (!last) {
      const { promptId, entityType, cohort } = prompt;
      this.ownPools.add({ promptId, entityType, cohort, ids: outcome.outputIds, ended: row.ended === true });
    }
    addOutcome(this.counts, outcome);
    await this.rows.append(row);
    tools.progress.advance(1);
  }

  /** A prompt's tokens, and why it can't be decoded: a chat that the template doesn't take fails alone. */
  private encoded(prompt: PromptRow): { ids?: Int32Array; problem: string | undefined } {
    const { tokenizer } = this.job;
    if (prompt.problem !== undefined) return { problem: prompt.problem };
    try {
      const ids = promptIds(tokenizer, prompt);
      return { ids, problem: this.misfit(ids) };
    } catch (error) {
      // without a template no prompt can be encoded
      if (!(error instanceof DareError) || !tokenizer.hasChatTemplate) throw error;
      return { problem: error.message };
    }
  }

  private keyOf(prompt: PromptRow): string {
    return textKey(prompt, this.job.config.mode, this.settings);
  }

  /** Why these ids can't be decoded, or undefined. */
  private misfit(ids: Int32Array): string | undefined {
    if (ids.length === 0) return 'the prompt has no tokens';
    const { context } = this.job.worker;
    if (ids.length < context) return undefined;
    return `the prompt has ${ids.length} tokens, ${contextName(context, this.job.window)} leaves no room for a text`;
  }

  /** Ends a round. Returns how many texts there are in the pools now. */
  private async refreshPools(): Promise<number> {
    const texts = this.ownPools.endRound();
    this.pools = await this.ownPools.build(this.job.tools.signal);
    this.settings = keySettings(this.job, this.pools);
    this.job.worker.usePools(this.pools.bytes);
    return texts;
  }

  private checkFailures(most: number): void {
    const { failed, rows } = this.counts;
    if (failed <= most * rows) return;
    throw runError(
      `${failed} of ${rows} prompts can't be decoded, more than decode.maxFailedShare (${most}) allows; ` +
        `nothing was published. ${this.failures.join('; ')}`,
      this.job.window === undefined
        ? 'Correct or shorten the prompts, or raise decode.maxFailedShare.'
        : 'Texts are decoded as far as the window reaches: shorten the prompts, take a model with a wider window or ' +
            'none, or raise decode.maxFailedShare.',
    );
  }

  /** Keeps the prompts with the lowest hashes: a sample that doesn't depend on the order. */
  private keepInSample(prompt: PromptRow): void {
    if (prompt.problem !== undefined) return;
    // not the hash that decides the round
    const place = hashShare(`sample ${prompt.promptId}`);
    if (this.sample.length === sampleSize && place >= (this.sample[sampleSize - 1] as Sampled).place) return;
    if (this.encoded(prompt).problem !== undefined) return;
    this.sample.push({ prompt, place });
    this.sample.sort((a, b) => a.place - b.place);
    this.sample.length = Math.min(this.sample.length, sampleSize);
  }
}

/** What ends prompts and texts, for people. @param window its width, where that is the limit */
export function contextName(context: number, window: number | undefined): string {
  return window === undefined
    ? `the model's context of ${context}`
    : `the model's sliding window of ${window}`;
}

/** `settingsKey` of a run that drafts from these pools. */
function keySettings({ settings, reuse }: TableJob, { version }: PoolSet): string {
  return settingsKey(reuse.strict ? { ...settings, pools: version } : settings);
}

/** Tables of texts that are there, and the pools that those of this run are drafted from. */
interface TextTables {
  tables: readonly string[];
  pools: PoolSet;
}

function textTables({ reuse, firstRound, config, pools }: TableJob): TextTables[] {
  const known: TextTables[] = firstRound === undefined ? [] : [{ tables: [firstRound], pools: noPools }];
  // what a text of this run is drafted from isn't known before its round
  const unknowable = reuse.strict && config.mode === 'relaxed' && pools.version === null;
  if (reuse.tables.length > 0 && !unknowable) known.push({ tables: reuse.tables, pools });
  return known;
}

/** Keeps the texts that there are. Returns how many there were. */
async function takeOverInto(
  rows: KeptRows,
  job: TableJob,
  { tables, pools }: TextTables,
  prompts: AsyncIterable<PromptRow[]>,
): Promise<number> {
  const { config, tools } = job;
  const settings = keySettings(job, pools);
  return takeOver({
    prompts,
    keyOf: (prompt) => textKey(prompt, config.mode, settings),
    earlier: tables,
    mayEnd: config.stop.length === 0,
    rows,
    signal: tools.signal,
  });
}

async function* unfinished(
  prompts: PromptFile,
  finished: Uint8Array,
  shard: Shard | undefined,
): AsyncGenerator<PromptRow[]> {
  for await (const page of prompts.pages()) {
    yield page.filter(
      ({ row, promptId, problem }) =>
        finished[row] === 0 && problem === undefined && inShard(promptId, shard),
    );
  }
}
