/**
 * Drafting in threads of its own, beside a device that leaves the processor idle: a step of 64 sequences drafts for as long
 * as a GPU computes. A sequence stays with one thread; the pools are shared, so a thread costs little memory.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { runError } from '../errors.js';
import type { PoolKey } from '../pool/builder.js';
import type { Ngrams } from '../pool/ngrams.js';
import type { DraftBudget, DraftPools } from './drafter.js';
import type { Drafting, SequenceDrafts } from './drafting.js';
import { commands, Mailbox } from './mailbox.js';

/** `workerData` of a drafting thread. */
export interface DraftThreadOptions {
  memory: SharedArrayBuffer;
  /** Of the threads that it wakes when it is woken. */
  followers: readonly SharedArrayBuffer[];
  vocabulary: number;
  endTokens: readonly number[];
}

/** Pools by the number that a drafting thread knows them by. */
export type NumberedPools = readonly SharedArrayBuffer[];

/** Tokens of a sequence that are handed over together at most: a thread takes some in while others still come. */
const handedOver = 256;
/** Threads that a thread wakes: to wake all of them, one after the other, would take longer than to draft. */
const wokenByOne = 3;

interface Thread {
  worker: Worker;
  mailbox: Mailbox;
}

export interface TeamOptions {
  threads: number;
  /** Sequences that are drafted for at once, those that are made ready among them. */
  sequences: number;
  vocabulary: number;
  endTokens: readonly number[];
}

export class DraftTeam implements Drafting {
  private readonly idle: RemoteDrafts[] = [];
  private numbers = new Map<Ngrams, number>();

  private constructor(
    private readonly threads: readonly Thread[],
    sequences: number,
  ) {
    // the first to be taken stand at the end, spread over the threads
    for (let i = sequences - 1; i >= 0; i--) {
      const { mailbox } = threads[i % threads.length] as Thread;
      this.idle.push(new RemoteDrafts(mailbox, Math.floor(i / threads.length)));
    }
  }

  /** Starts the threads. Rejects with runError when one of them can't. */
  static async start({ threads, sequences, vocabulary, endTokens }: TeamOptions): Promise<DraftTeam> {
    const mailboxes = Array.from({ length: threads }, () => Mailbox.create(Math.ceil(sequences / threads)));
    const started = await Promise.all(
      mailboxes.map(async (mailbox, i) => {
        const first = i * wokenByOne + 1;
        const followers = mailboxes.slice(first, first + wokenByOne).map(({ memory }) => memory);
        const workerData: DraftThreadOptions = { memory: mailbox.memory, followers, vocabulary, endTokens };
        const worker = new Worker(new URL('./team-thread.js', import.meta.url), { workerData });
        try {
          await once(worker, 'message');
        } catch (cause) {
          throw runError('A drafting thread could not be started', undefined, cause);
        }
        // from here on the mailbox tells what went wrong
        worker.on('error', (error) => mailbox.fail(String(error)));
        worker.unref();
        return { worker, mailbox };
      }),
    );
    return new DraftTeam(started, sequences);
  }

  /**
   * The pools that sequences from now on are drafted from; none is drafted for.
   * @param memory the same pools' bytes
   */
  usePools(pools: ReadonlyMap<PoolKey, Ngrams>, memory: ReadonlyMap<PoolKey, SharedArrayBuffer>): void {
    this.numbers = new Map([...pools.values()].map((pool, number) => [pool, number]));
    const numbered: NumberedPools = [...pools.keys()].map((key) => memory.get(key) as SharedArrayBuffer);
    for (const { worker, mailbox } of this.threads) {
      worker.postMessage(numbered);
      mailbox.write(commands.pools);
    }
  }

  begin({ cohort, shared }: DraftPools): SequenceDrafts {
    const drafts = this.idle.pop();
    if (drafts === undefined) throw new Error('more sequences than the team was made for');
    drafts.begin(this.numberOf(cohort), this.numberOf(shared));
    return drafts;
  }

  end(drafts: SequenceDrafts): void {
    this.idle.push(drafts as RemoteDrafts);
  }

  rouse(): void {
    this.threads[0]?.mailbox.rouse();
  }

  finish(): void {
    for (const { mailbox } of this.threads) mailbox.finish();
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private numberOf(pool: Ngrams | undefined): number {
    if (pool === undefined) return -1;
    const number = this.numbers.get(pool);
    if (number === undefined) throw new Error("a pool that isn't in use");
    return number;
  }
}

/** A sequence that a thread drafts for. */
class RemoteDrafts implements SequenceDrafts {
  private draft: ReturnType<Mailbox['draftOf']> | undefined;
  /** Tokens that aren't handed over. */
  private readonly tokens = new Int32Array(handedOver);
  private count = 0;

  /** @param sequence its number in the thread */
  constructor(
    private readonly mailbox: Mailbox,
    private readonly sequence: number,
  ) {}

  begin(cohort: number, shared: number): void {
    this.count = 0;
    this.draft = undefined;
    this.mailbox.write(commands.begin, this.sequence, cohort, shared);
  }

  append(token: number): void {
    if (this.count === this.tokens.length) this.handOver();
    this.tokens[this.count++] = token;
  }

  request(last: number, budget: DraftBudget): void {
    this.handOver();
    this.draft = undefined;
    this.mailbox.request(this.sequence, last, budget);
  }

  get rows() {
    return this.made.rows;
  }

  get gains() {
    return this.made.gains;
  }

  get matched() {
    return this.made.matched;
  }

  contextsOf(parent: number) {
    return this.mailbox.contextsOf(this.sequence, parent);
  }

  private get made() {
    this.draft ??= this.mailbox.draftOf(this.sequence);
    return this.draft;
  }

  private handOver(): void {
    if (this.count > 0) this.mailbox.writeTokens(this.sequence, this.tokens, this.count);
    this.count = 0;
  }
}
