/** What every stage gets and gives back. A stage is `async function <stage>(context: StageContext): Promise<StageResult>`. */
import type { Config } from './config/schema.js';
import type { Lake } from './lake/lake.js';

/** Structured logging on stderr: the fields first, then one readable sentence. pino's loggers fit. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Progress of one thing at a time; `start` ends what ran before. A bar on a terminal, else sparse plain lines. */
export interface Progress {
  /** `total` is what the sum of all `advance(n)` will be; leave it out when it isn't known. */
  start(label: string, total?: number): void;
  /** The total, where it is known only now: the rate counts from here on, unless there was an `advance` before. */
  expect(total: number): void;
  advance(n: number): void;
  /** Rows that were there before: they are done, but say nothing of the rate. */
  skip(n: number): void;
  /** Sums that go on changing; they are looked at until the next `start`. */
  watch(sums: Readonly<DecodeSums>): void;
  /** A short text shown behind the numbers until the next one. */
  note(text: string): void;
  done(): void;
}

/** What decoding has come to. */
export interface DecodeSums {
  /** The failed ones too. */
  rows: number;
  failed: number;
  outputTokens: number;
  /** What the steps emitted: output tokens, end tokens, the tokens of stop strings. */
  emittedTokens: number;
  decodeSteps: number;
  draftedTokens: number;
  acceptedTokens: number;
  relaxedTokens: number;
  /** Nats. */
  divergence: number;
}

/** One run of a stage. */
export interface StageScope {
  stage: string;
  /** Empty without a lake. */
  partition: string;
  /** `k/n` */
  shard?: string;
  /** Files that it reads; asked for only where somebody wants to know. */
  inputs?: () => Promise<readonly string[]>;
}

/** How a run of a stage ended. */
export type StageOutcome = { result: StageResult } | { error: unknown; interrupted: boolean };

/** Is told when stages begin and end. */
export interface StageObserver {
  begin(scope: StageScope): void | Promise<void>;
  end(scope: StageScope, outcome: StageOutcome): void | Promise<void>;
}

/** Runs stages in view of observers; a stage may run others. */
export interface StageWatch {
  observe(scope: StageScope, run: () => Promise<StageResult>): Promise<StageResult>;
  /** Tells a warning now, so that it isn't lost if the stage fails; those of its result needn't be told before. */
  warn(warning: string): void;
}

/** What a stage needs apart from its configuration, with or without a lake. */
export interface StageTools {
  log: Logger;
  progress: Progress;
  /**
   * Aborted by SIGINT and SIGTERM, and where another machine has come to hold the lake: stop between two steps, leave no
   * half file, throw `signal.reason`.
   */
  signal: AbortSignal;
  /** Nobody looks on where it is left out. */
  watch?: StageWatch;
}

/**
 * Agrees with other machines on the content of a small file of the lake: the first one's counts, if `accepts` takes it.
 * Returns it, and the file holds it then.
 */
export type ShareFile = (file: string, accepts: (text: string) => boolean) => Promise<string>;

/** Of a lake in an object store, whose working copy the stages work on: brings what they read, takes away what they write. */
export interface LakeStore {
  /**
   * Does the work of a stage or command while no other machine does: what it reads is brought before, what it has written
   * is taken away after it, however it ends.
   * @param shard `k/n`
   */
  during<T>(job: LakeJob, work: () => Promise<T>, shard?: string): Promise<T>;
  /** Of a stage that has nothing to do: takes away what an earlier one wrote and, stopped or cut off, couldn't. */
  finish(job: LakeJob): Promise<void>;
  share: ShareFile;
}

/** A stage or command that works on a lake. */
export type LakeJob =
  | 'segment'
  | 'prompts'
  | 'pools'
  | 'decode'
  | 'publish'
  | 'report'
  | 'rollback'
  | 'prune'
  | 'forget'
  | 'evaluate'
  | 'tune'
  | 'plan';

export interface StageContext extends StageTools {
  config: Config;
  lake: Lake;
  /** Checked by `checkPartition`: safe as part of a folder's name. */
  partition: string;
  /** Options of the command line that lead another process to the same configuration, lake and partition. */
  arguments?: readonly string[];
  /** Where the lake is the working copy of one in an object store. */
  store?: LakeStore;
}

/** Does the work of a stage on the lake of a context, wherever it is. */
export async function onLake<T>(
  { store }: Pick<StageContext, 'store'>,
  job: LakeJob,
  work: () => Promise<T>,
  shard?: string,
): Promise<T> {
  return store === undefined ? await work() : await store.during(job, work, shard);
}

/** Printed as the last line of stdout. Extra keys must be plain JSON. */
export interface CommandResult {
  stage: string;
  /** One sentence each. Logged, also when quiet, as soon as the stage ends, each once: a stage doesn't log them itself. */
  warnings: string[];
  /** For people: printed on stderr (not with --json or --quiet) and left out of the JSON line. */
  summary?: string;
  /** There was nothing to do: what the stage writes was there already. `--skip-exit-code` says how to end then. */
  skipped?: boolean;
  [extra: string]: unknown;
}

export interface StageResult extends CommandResult {
  partition: string;
  /** Rows of the table that was written (for pools: texts that they were made of). */
  rows: number;
  /** Absolute paths of what was written. */
  files: string[];
  seconds: number;
}
