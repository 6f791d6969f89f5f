/** Stages in view of whoever wants to know when they begin and end. */
import { messageOf } from '../errors.js';
import type { Logger, StageObserver, StageOutcome, StageResult, StageScope, StageWatch } from '../stage.js';

/** Tells observers of the stages that it runs, the innermost last, and the log of what they warn of, each warning once. */
export class Watch implements StageWatch {
  private readonly open: StageScope[] = [];
  private readonly told = new Set<string>();

  constructor(
    private readonly observers: readonly StageObserver[],
    private readonly signal: AbortSignal,
    private readonly log: Logger,
  ) {}

  /** What was warned of so far: of stages that have ended, also where a later one fails. */
  get warnings(): string[] {
    return [...this.told];
  }

  /** Told once, however many stages say it. */
  warn(warning: string): void {
    if (this.told.has(warning)) return;
    this.told.add(warning);
    this.log.warn({}, warning);
  }

  /** Rejects as the stage does. */
  async observe(scope: StageScope, run: () => Promise<StageResult>): Promise<StageResult> {
    this.open.push(scope);
    try {
      for (const observer of this.observers) await observer.begin(scope);
      const result = await run();
      await this.end(scope, { result });
      return result;
    } catch (error) {
      await this.end(scope, this.failure(error));
      throw error;
    }
  }

  /** Ends what is still running: an error came from elsewhere, and no stage will end any more. */
  async abandon(error: unknown): Promise<void> {
    for (const scope of [...this.open].reverse()) await this.end(scope, this.failure(error));
  }

  private async end(scope: StageScope, outcome: StageOutcome): Promise<void> {
    const place = this.open.indexOf(scope);
    if (place < 0) return;
    this.open.splice(place, 1);
    for (const observer of this.observers) await observer.end(scope, outcome);
    if ('result' in outcome) for (const warning of outcome.result.warnings) this.warn(warning);
  }

  /** After a signal whatever went wrong is its consequence. */
  private failure(error: unknown): StageOutcome {
    const { aborted, reason } = this.signal;
    return { error: aborted ? reason : error, interrupted: aborted };
  }
}

/** Runs a stage, watched where somebody looks on. */
export function observed(
  watch: StageWatch | undefined,
  scope: StageScope,
  run: () => Promise<StageResult>,
): Promise<StageResult> {
  return watch === undefined ? run() : watch.observe(scope, run);
}

/** One line of the log for each begin and end: fields for machines. */
export class StageLog implements StageObserver {
  constructor(private readonly log: Logger) {}

  begin({ stage, partition, shard }: StageScope): void {
    this.log.info({ event: 'start', stage, partition, shard }, `${stage}: start`);
  }

  end({ stage, partition, shard }: StageScope, outcome: StageOutcome): void {
    if ('result' in outcome) {
      const { rows, seconds, skipped = false, files, warnings } = outcome.result;
      const counts = { rows, seconds, skipped, files: files.length, warnings: warnings.length };
      this.log.info({ event: 'end', stage, partition, shard, ...counts }, `${stage}: end`);
    } else {
      const { error, interrupted } = outcome;
      const fields = { event: interrupted ? 'abort' : 'fail', stage, partition, shard };
      this.log.info({ ...fields, error: messageOf(error) }, `${stage}: ${fields.event}`);
    }
  }
}
