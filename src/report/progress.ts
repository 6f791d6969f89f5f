/** How far a stage is: a line that overwrites itself on a terminal, else a plain line now and then. */
import type { Progress } from '../stage.js';
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
  /** Milliseconds of a steady clock. */
  now?: () => number;
}

export interface ProgressFields {
  label: string;
  done: number;
  total: number | null;
  /** Per second since the start. */
  rate: number;
}

/** Progress that shows nothing, for --quiet and tests. */
export const silentProgress: Progress = { start() {}, advance() {}, note() {}, done() {} };

export function createProgress(options: ProgressOptions): Progress {
  return new Meter(options);
}

class Meter implements Progress {
  private label: string | undefined;
  private total: number | undefined;
  private finished = 0;
  private extra = '';
  private started = 0;
  private lastShown = 0;
  private readonly now: () => number;
  private readonly bar: boolean;

  constructor(private readonly options: ProgressOptions) {
    this.now = options.now ?? (() => performance.now());
    this.bar = options.screen.interactive && options.plain !== true;
  }

  start(label: string, total?: number): void {
    this.done();
    this.label = label;
    this.total = total;
    this.finished = 0;
    this.extra = '';
    this.started = this.now();
    this.lastShown = this.started;
    if (this.bar) this.draw();
    else this.print(`${label}: ${total === undefined ? 'started' : `0 of ${amount(total)}`}`);
  }

  advance(n: number): void {
    this.finished += n;
    this.show();
  }

  note(text: string): void {
    this.extra = text;
    this.show();
  }

  done(): void {
    if (this.label === undefined) return;
    this.options.screen.status('');
    const seconds = (this.now() - this.started) / 1000;
    const count = this.finished === 0 ? '' : `${this.counted()}, ${this.rateText()}, `;
    this.print(`${this.label}: ${count}done in ${duration(seconds)}`);
    this.label = undefined;
  }

  private show(): void {
    const now = this.now();
    if (this.label === undefined || now - this.lastShown < (this.bar ? BAR_INTERVAL : LINE_INTERVAL)) return;
    this.lastShown = now;
    if (this.bar) this.draw();
    else this.print(`${this.label}: ${this.numbers()}${this.tail()}`);
  }

  private draw(): void {
    const share =
      this.total === undefined || this.total === 0 ? undefined : Math.min(1, this.finished / this.total);
    const filled = Math.round((share ?? 0) * BAR_WIDTH);
    const bar = share === undefined ? '' : `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] `;
    this.options.screen.status(`${this.label}: ${bar}${this.numbers()}${this.tail()}`);
  }

  private print(text: string): void {
    this.options.line(text, {
      label: this.label ?? '',
      done: this.finished,
      total: this.total ?? null,
      rate: this.rate(),
    });
  }

  /** `495 of 1,100 (45%), 12.3/s, 0:49 left` */
  private numbers(): string {
    const share = this.total ? ` (${Math.floor((100 * this.finished) / this.total)}%)` : '';
    const rate = this.rate();
    const rest = this.total === undefined ? 0 : this.total - this.finished;
    const left = rate > 0 && rest > 0 ? `, ${duration(rest / rate)} left` : '';
    return `${this.counted()}${share}, ${this.rateText()}${left}`;
  }

  private counted(): string {
    return this.total === undefined
      ? amount(this.finished)
      : `${amount(this.finished)} of ${amount(this.total)}`;
  }

  private rate(): number {
    const seconds = (this.now() - this.started) / 1000;
    return seconds > 0 ? this.finished / seconds : 0;
  }

  private rateText(): string {
    const rate = this.rate();
    return `${rate >= 100 ? amount(Math.round(rate)) : rate.toFixed(1)}/s`;
  }

  private tail(): string {
    return this.extra === '' ? '' : `, ${this.extra}`;
  }
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
