/** What a process has done so far: the one source of its progress and its metrics. */
import { z } from 'zod';
import type { DecodeSums, StageObserver, StageOutcome, StageScope } from '../stage.js';

const sumsSchema = z.object({
  rows: z.number(),
  failed: z.number(),
  outputTokens: z.number(),
  emittedTokens: z.number(),
  decodeSteps: z.number(),
  draftedTokens: z.number(),
  acceptedTokens: z.number(),
  relaxedTokens: z.number(),
  divergence: z.number(),
}) satisfies z.ZodType<DecodeSums>;

/** What a stage is busy with. */
export interface Phase {
  label: string;
  total: number | undefined;
  /** Done since the phase began, and done before. */
  finished: number;
  skipped: number;
  /** Milliseconds of the clock: when it began, and when its rows did. */
  started: number;
  counting: number;
}

/** One run of a stage. */
export interface StageCounters {
  scope: StageScope;
  /** Milliseconds of the clock. */
  started: number;
  /** Once it has ended. */
  seconds?: number;
  /** Once it has ended well. */
  rows?: number;
  failed: boolean;
  /** Seconds since 1970. */
  succeeded?: number;
  /** Of decoding. */
  sums?: Readonly<DecodeSums> | undefined;
}

/** Counts; shows nothing. */
export class Counters implements StageObserver {
  /** In the order in which they began. */
  readonly stages: StageCounters[] = [];
  phase: Phase | undefined;
  sums: Readonly<DecodeSums> | undefined;
  private readonly open: StageCounters[] = [];

  /** @param now milliseconds of a steady clock */
  constructor(readonly now: () => number = () => performance.now()) {}

  begin(scope: StageScope): void {
    const counters = { scope, started: this.now(), failed: false };
    this.stages.push(counters);
    this.open.push(counters);
  }

  end(scope: StageScope, outcome: StageOutcome): void {
    const counters = this.stages.find((known) => known.scope === scope);
    if (counters === undefined) return;
    this.open.splice(this.open.indexOf(counters), 1);
    this.phase = undefined;
    if ('result' in outcome) {
      counters.rows = outcome.result.rows;
      // other processes may have counted
      counters.sums ??= sumsSchema.safeParse(outcome.result).data;
      counters.seconds = outcome.result.seconds;
      counters.succeeded = Date.now() / 1000;
    } else {
      counters.failed = true;
      counters.seconds = this.secondsOf(counters);
    }
  }

  /** The stage that is running, the innermost one. */
  get current(): StageCounters | undefined {
    return this.open.at(-1);
  }

  secondsOf({ seconds, started }: StageCounters): number {
    return seconds ?? (this.now() - started) / 1000;
  }

  startPhase(label: string, total: number | undefined): void {
    const now = this.now();
    this.phase = { label, total, finished: 0, skipped: 0, started: now, counting: now };
    this.sums = undefined;
  }

  /** What the phase will have done at its end. */
  expect(total: number): void {
    if (this.phase === undefined) return;
    this.phase.total = total;
    if (this.phase.finished === 0) this.phase.counting = this.now();
  }

  watch(sums: Readonly<DecodeSums>): void {
    this.sums = sums;
    if (this.current !== undefined) this.current.sums = sums;
  }

  /** Of the phase, since its rows began: rows a second; 0 without one. */
  get rate(): number {
    if (this.phase === undefined) return 0;
    const seconds = (this.now() - this.phase.counting) / 1000;
    return seconds > 0 ? this.phase.finished / seconds : 0;
  }

  /** Seconds that the phase will still take at its rate; undefined where that isn't known. */
  get remaining(): number | undefined {
    if (this.phase === undefined) return undefined;
    const { total, finished, skipped } = this.phase;
    if (total === undefined) return undefined;
    const rest = total - finished - skipped;
    if (rest <= 0) return 0;
    return this.rate > 0 ? rest / this.rate : undefined;
  }
}
