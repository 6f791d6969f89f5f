/** How far a stage is: a line that overwrites itself on a terminal, else a plain line now and then. */
import type { DecodeSums, Progress } from '../stage.js';
import { Counters, type Phase } from './counters.js';
import type { Screen } from './screen.js';

/** Milliseconds between two drawings of the bar, and between two plain lines. */
const BAR_INTERVAL = 100;
const LINE_INTERVAL = 10_000;
const BAR_WIDTH = 24;

export interface ProgressOptions {
  /** Draws the bar; where the screen can't, plain lines go to `line`. */
  screen: Screen;
  /** Writes one plain line; `fields` are the same numbers for machines. */
  line: (text: string, fields: ProgressFields) => void;
  /** Never a bar. */
  plain?: boolean;
  /** What is counted into; its clock rules. */
  counters?: Counters;
}

export interface ProgressFields {
  label: string;
  done: number;
  total: number | null;
  /** Per second since rows are counted. */
  rate: number;
  /** Seconds; null where it isn't known. */
  remaining: number | null;
}

/** Progress that counts and shows nothing, for --quiet. */
export function countingProgress(counters: Counters): Progress {
  return new Counting(counters);
}

export function createProgress(options: ProgressOptions): Progress {
  return new Meter(options, options.counters ?? new Counters());
}

class Counting implements Progress {
  constructor(protected readonly counters: Counters) {}

  start(label: string, total?: number): void {
    this.counters.startPhase(label, total);
  }

  expect(total: number): void {
    this.counters.expect(total);
  }

  advance(n: number): void {
    const { phase } = this.counters;
    if (phase !== undefined) phase.finished += n;
  }

  skip(n: number): void {
    const { phase } = this.counters;
    if (phase !== undefined) phase.skipped += n;
  }

  watch(sums: Readonly<DecodeSums>): void {
    this.counters.watch(sums);
  }

  note(_text: string): void {}

  done(): void {
    this.counters.phase = undefined;
  }
}

/** Progress that shows nothing, for tests. */
export const silentProgress: Progress = countingProgress(new Counters());

class Meter extends Counting {
  private extra = '';
  private lastShown = 0;
  private readonly bar: boolean;

  constructor(
    private readonly options: ProgressOptions,
    counters: Counters,
  ) {
    super(counters);
    this.bar = options.screen.interactive && options.plain !== true;
  }

  override start(label: string, total?: number): void {
    this.done();
    super.start(label, total);
    this.extra = '';
    const phase = this.counters.phase as Phase;
    this.lastShown = phase.started;
    if (this.bar) this.draw(phase);
    else this.print(phase, `${label}: ${total === undefined ? 'started' : `0 of ${amount(total)}`}`);
  }

  override expect(total: number): void {
    super.expect(total);
    const { phase } = this.counters;
    if (phase === undefined) return;
    if (this.bar) this.draw(phase);
    else this.print(phase, `${phase.label}: ${counted(phase)}`);
  }

  override advance(n: number): void {
    super.advance(n);
    this.show();
  }

  override skip(n: number): void {
    super.skip(n);
    this.show();
  }

  override note(text: string): void {
    this.extra = text;
    this.show();
  }

  override done(): void {
    const { phase } = this.counters;
    if (phase === undefined) return;
    this.options.screen.status('');
    const seconds = (this.counters.now() - phase.started) / 1000;
    const count = phase.finished === 0 ? '' : `${counted(phase)}, ${this.rateText()}, `;
    this.print(phase, `${phase.label}: ${count}done in ${duration(seconds)}`);
    super.done();
  }

  private show(): void {
    const { phase } = this.counters;
    const now = this.counters.now();
    if (phase === undefined || now - this.lastShown < (this.bar ? BAR_INTERVAL : LINE_INTERVAL)) return;
    this.lastShown = now;
    if (this.bar) this.draw(phase);
    else this.print(phase, `${phase.label}: ${this.numbers(phase)}${this.tail()}`);
  }

  private draw(phase: Phase): void {
    const { label, total, finished, skipped } = phase;
    const share = total === undefined || total === 0 ? undefined : Math.min(1, (finished + skipped) / total);
    const filled = Math.round((share ?? 0) * BAR_WIDTH);
    const bar = share === undefined ? '' : `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] `;
    this.options.screen.status(`${label}: ${bar}${this.numbers(phase)}${this.tail()}`);
  }

  private print({ label, finished, skipped, total }: Phase, text: string): void {
    const { rate, remaining = null } = this.counters;
    this.options.line(text, { label, done: finished + skipped, total: total ?? null, rate, remaining });
  }

  /** `495 of 1,100 (45%), 12.3/s, 0:49 left` */
  private numbers(phase: Phase): string {
    const { total, finished, skipped } = phase;
    const share = total ? ` (${Math.floor((100 * (finished + skipped)) / total)}%)` : '';
    const { remaining } = this.counters;
    const left = remaining === undefined || remaining === 0 ? '' : `, ${duration(remaining)} left`;
    return `${counted(phase)}${share}, ${this.rateText()}${left}`;
  }

  private rateText(): string {
    const { rate } = this.counters;
    return `${rate >= 100 ? amount(Math.round(rate)) : rate.toFixed(1)}/s`;
  }

  private tail(): string {
    const { emittedTokens = 0, decodeSteps = 0 } = this.counters.sums ?? {};
    const speed = decodeSteps === 0 ? '' : `, ${(emittedTokens / decodeSteps).toFixed(1)} tokens a step`;
    return this.extra === '' ? speed : `${speed}, ${this.extra}`;
  }
}

function counted({ finished, skipped, total }: Phase): string {
  const done = amount(finished + skipped);
  return total === undefined ? done : `${done} of ${amount(total)}`;
}

function amount(n: number): string {
  return n.toLocaleString('en-US');
}

/** `9.4 s`, `1:05 min`, `2:03:04 h` */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pad = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)} min`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)} h`;
}
