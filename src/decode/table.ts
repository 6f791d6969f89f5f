import pLimit from 'p-limit';
import type { DecodeConfig } from '../config/schema.js';
import { runError } from '../errors.js';
import { discard } from '../lake/lake.js';
import type { Manifest } from '../lake/manifest.js';
import { PromptFile, type PromptRow } from '../lake/pages.js';
import { TextParts } from '../lake/parts.js';
import { sortInto } from '../lake/sort.js';
import { PoolBuilder, poolKey, poolSettings } from '../pool/builder.js';
import { type PoolSet, setVersion } from '../pool/folder.js';
import type { StageTools } from '../stage.js';
import type { TextModel } from '../text/tokenizer.js';
import type { DecodeWorker } from './client.js';
import type { LoopStatistics } from './loop.js';
import { streamKey } from './random.js';
import { hashShare, roundOf, roundShares } from './rounds.js';
import { errorRow, promptIds, textRow } from './row.js';

export interface TableJob {
  prompts: string;
  /** The texts table to publish. */
  out: string;
  /** Folder for rows as they are finished, removed at the end. */
  work: string;
  config: DecodeConfig;
  pools: PoolSet;
  /** Longest n-gram of pools made between rounds. */
  maxLength: number;
  tokenizer: TextModel;
  worker: DecodeWorker;
  tools: StageTools;
  /** Stands in the file's key-value metadata. */
  metadata: Record<string, unknown>;
  /** What the manifest beside the table says of it; without it there is none. */
  manifest?: (counts: TableCounts, poolVersion: string | null) => Manifest;
}

/** Sums over the rows of a texts table. */
export interface TableCounts {
  rows: number;
  failed: number;
  /** Prompts whose cohort has no pool. */
  unknownCohort: number;
  rounds: number;
  outputTokens: number;
  /** What the steps emitted: output tokens, end tokens, the tokens of stop strings. */
  emittedTokens: number;
  decodeSteps: number;
  relaxedTokens: number;
  nearTies: number;
  divergence: number;
}

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
  private readonly counts: TableCounts = {
    rows: 0,
    failed: 0,
    unknownCohort: 0,
    rounds: 0,
    outputTokens: 0,
    emittedTokens: 0,
    decodeSteps: 0,
    relaxedTokens: 0,
    nearTies: 0,
    divergence: 0,
  };
  private readonly failures: string[] = [];
  private sample: Sampled[] = [];
  private pools: PoolSet;
  private readonly shares: number[];
  private builder: PoolBuilder;

  private constructor(
    private readonly job: TableJob,
    private readonly prompts: PromptFile,
    private readonly parts: TextParts,
  ) {
    const { config, pools, tokenizer, maxLength } = job;
    this.pools = pools;
    const inRounds = pools.version === null && config.mode !== 'autoregressive';
    this.shares = inRounds ? roundShares(config.rounds.first, config.rounds.growth) : [1];
    this.builder = new PoolBuilder(poolSettings(tokenizer, maxLength));
  }

  static async open(job: TableJob): Promise<TableRun> {
    const prompts = await PromptFile.open(job.prompts);
    try {
      return new TableRun(job, prompts, await TextParts.open(job.work));
    } catch (error) {
      prompts.close();
      throw error;
    }
  }

  /** Decodes all prompts. Nothing is published yet. */
  async decode(): Promise<TableResult> {
    const { worker, tools, config } = this.job;
    worker.usePools(this.pools.bytes);
    tools.progress.start('decode', this.prompts.rows);
    for (let round = 0; round < this.shares.length; round++) {
      if (round > 0) this.refreshPools();
      // enough texts in the pools: what is left is decoded in one round
      const last = round === this.shares.length - 1 || this.builder.texts >= roundTexts;
      await this.decodeRound(round, last);
      this.counts.rounds++;
      if (last) break;
    }
    if (this.counts.rows !== this.prompts.rows) {
      throw runError(
        `${this.counts.rows} of ${this.prompts.rows} prompts were decoded: the prompts changed meanwhile`,
      );
    }
    this.checkFailures(config.maxFailedShare);
    tools.progress.done();
    return {
      counts: this.counts,
      statistics: await worker.statistics(),
      failures: this.failures,
      poolVersion: this.pools.version,
      sample: this.sample.map(({ prompt }) => prompt),
    };
  }

  /** Puts the texts into order and publishes the table. The worker isn't needed for it. */
  async publish(): Promise<void> {
    const { out, metadata, manifest } = this.job;
    const said = manifest?.(this.counts, this.pools.version);
    await sortInto(await this.parts.close(), out, {
      metadata,
      ...(said === undefined ? {} : { manifest: said }),
    });
  }

  async close(): Promise<void> {
    this.prompts.close();
    await this.parts.abort();
    await discard(this.job.work);
  }

  /** Decodes the prompts of one round, or of it and all later ones. */
  private async decodeRound(round: number, andLater: boolean): Promise<void> {
    const { worker, tools } = this.job;
    // twice the slots, so that a prompt is waiting whenever a slot becomes free
    const inFlight = worker.slots * 2;
    const limit = pLimit(inFlight);
    const running = new Set<Promise<void>>();
    let failure: unknown;
    this.sample = [];
    for await (const page of this.prompts.pages()) {
      for (const prompt of page) {
        tools.signal.throwIfAborted();
        if (failure !== undefined) throw failure;
        const member = roundOf(prompt.promptId, this.shares);
        if (andLater ? member < round : member !== round) continue;
        this.keepInSample(prompt);
        const task = limit(() => this.decodePrompt(prompt, round, andLater)).catch((error: unknown) => {
          failure ??= error;
        });
        running.add(task);
        void task.then(() => running.delete(task));
        // pages are read only as fast as prompts are decoded
        if (limit.pendingCount >= inFlight) await Promise.race(running);
      }
    }
    await Promise.all(running);
    tools.signal.throwIfAborted();
    if (failure !== undefined) throw failure;
  }

  private async decodePrompt(prompt: PromptRow, round: number, last: boolean): Promise<void> {
    const { tokenizer, worker, tools } = this.job;
    const source = { poolVersion: this.pools.version, round };
    const ids = prompt.problem === undefined ? promptIds(tokenizer, prompt) : undefined;
    const problem = prompt.problem ?? this.misfit(ids as Int32Array);
    this.counts.rows++;
    if (ids === undefined || problem !== undefined) {
      this.counts.failed++;
      if (this.failures.length < shownFailures) this.failures.push(`${prompt.promptId}: ${problem}`);
      await this.parts.append(errorRow(prompt, ids?.length ?? null, problem as string, source));
      tools.progress.advance(1);
      return;
    }
    const key = poolKey(prompt.entityType, prompt.cohort);
    if (this.pools.version !== null && !this.pools.bytes.has(key)) this.counts.unknownCohort++;
    const stream = streamKey(this.job.config.sampling.seed, prompt.promptId);
    const outcome = await worker.decode({ promptIds: ids, stream }, key);
    const text = outcome.stoppedText ?? tokenizer.decode(outcome.outputIds);
    const row = textRow(prompt, ids.length, outcome, text, source);
    const complete = outcome.finishReason === 'stop' && outcome.stoppedText === null;
    if (!last) this.builder.add(prompt.entityType, prompt.cohort, outcome.outputIds, complete);
    const { counts } = this;
    counts.outputTokens += outcome.outputIds.length;
    counts.emittedTokens += outcome.emittedTokens;
    counts.decodeSteps += outcome.decodeSteps;
    counts.relaxedTokens += outcome.relaxedTokens;
    counts.nearTies += outcome.nearTies;
    counts.divergence += outcome.divergence;
    await this.parts.append(row);
    tools.progress.advance(1);
    tools.progress.note(`${(counts.emittedTokens / counts.decodeSteps).toFixed(1)} tokens a step`);
  }

  /** Why these ids can't be decoded, or undefined. */
  private misfit(ids: Int32Array): string | undefined {
    if (ids.length === 0) return 'the prompt has no tokens';
    const { context } = this.job.worker;
    if (ids.length < context) return undefined;
    return `the prompt has ${ids.length} tokens, the model's context of ${context} leaves no room for a text`;
  }

  /** Texts join the pools between rounds only, so that no text depends on the order of the others. */
  private refreshPools(): void {
    const built = [...this.builder.build()];
    this.pools = {
      bytes: new Map(built.map(({ key, bytes }) => [key, bytes])),
      version: setVersion(built.map(({ metadata }) => metadata)),
    };
    this.job.worker.usePools(this.pools.bytes);
  }

  private checkFailures(most: number): void {
    const { failed, rows } = this.counts;
    if (failed <= most * rows) return;
    throw runError(
      `${failed} of ${rows} prompts can't be decoded, more than decode.maxFailedShare (${most}) allows; ` +
        `nothing was published. ${this.failures.join('; ')}`,
      'Shorten the prompts, or raise decode.maxFailedShare.',
    );
  }

  /** Keeps the prompts with the lowest hashes: a sample that doesn't depend on the order. */
  private keepInSample(prompt: PromptRow): void {
    if (prompt.problem !== undefined) return;
    // not the hash that decides the round
    const place = hashShare(`sample ${prompt.promptId}`);
    if (this.sample.length === sampleSize && place >= (this.sample[sampleSize - 1] as Sampled).place) return;
    this.sample.push({ prompt, place });
    this.sample.sort((a, b) => a.place - b.place);
    this.sample.length = Math.min(this.sample.length, sampleSize);
  }
}
