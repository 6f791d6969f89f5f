/** The counters as a Prometheus text file, for node_exporter's textfile collector. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Counter, Gauge, Registry } from 'prom-client';
import { inputError, messageOf } from '../errors.js';
import { codeOf } from '../lake/file-error.js';
import { makeFolder } from '../lake/folder.js';
import { removeStale, replaceFile } from '../lake/lake.js';
import type { DecodeSums, Logger } from '../stage.js';
import { unreadable } from '../unreadable.js';
import type { Counters, StageCounters } from './counters.js';

/** Milliseconds between two writings. */
const interval = 5000;
const labelNames = ['stage', 'partition', 'shard'] as const;

const sums: readonly (readonly [keyof DecodeSums, string, string])[] = [
  ['outputTokens', 'dare_output_tokens_total', 'Tokens of the texts.'],
  ['emittedTokens', 'dare_emitted_tokens_total', 'Tokens that steps brought, end tokens too.'],
  ['decodeSteps', 'dare_decode_steps_total', 'Decode steps, of each text its own.'],
  ['draftedTokens', 'dare_drafted_tokens_total', 'Draft tokens that the model judged.'],
  ['acceptedTokens', 'dare_accepted_tokens_total', 'Draft tokens that were accepted.'],
  ['relaxedTokens', 'dare_relaxed_tokens_total', 'Accepted tokens that were not the first choice.'],
  ['divergence', 'dare_divergence_nats_total', 'Nats of log-probability that relaxed tokens cost.'],
];

/** A registry of its own, filled from the counters whenever it is written. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly rows = new Counter({
    name: 'dare_rows_total',
    help: 'Rows by outcome: done or failed.',
    labelNames: [...labelNames, 'outcome'],
    registers: [this.registry],
  });
  private readonly sums = sums.map(([key, name, help]) => ({
    key,
    counter: new Counter({ name, help, labelNames, registers: [this.registry] }),
  }));
  private readonly seconds = this.gauge(
    'dare_stage_seconds',
    'Seconds that the stage took, or has taken so far.',
  );
  private readonly running = this.gauge('dare_stage_running', '1 while the stage runs.');
  private readonly failed = this.gauge('dare_stage_failed', '1 where the stage failed or was interrupted.');
  private readonly rate = this.gauge('dare_rows_per_second', 'Rows a second of what the stage is busy with.');
  private readonly remaining = this.gauge(
    'dare_remaining_seconds',
    'Seconds that this will still take at that rate.',
  );
  private readonly success = this.gauge(
    'dare_last_success_timestamp_seconds',
    'When the stage last ended well, in seconds since 1970.',
  );

  /** @param earlier successes of earlier processes: kept until the stage ends well again */
  constructor(
    private readonly counters: Counters,
    private readonly earlier: readonly Success[] = [],
  ) {}

  /** The text exposition format. */
  text(): Promise<string> {
    this.registry.resetMetrics();
    const succeeded = new Set(
      this.counters.stages.filter((stage) => stage.succeeded).map(({ scope }) => scope.stage),
    );
    for (const { labels, value } of this.earlier)
      if (!succeeded.has(labels.stage)) this.success.set(labels, value);
    for (const stage of this.counters.stages) this.add(stage);
    return this.registry.metrics();
  }

  private add(stage: StageCounters): void {
    const { counters } = this;
    const labels = labelsOf(stage);
    const { rows, failed: lost = 0 } = stage.sums ?? { rows: stage.rows };
    if (rows !== undefined) {
      this.rows.inc({ ...labels, outcome: 'done' }, rows - lost);
      this.rows.inc({ ...labels, outcome: 'failed' }, lost);
    }
    if (stage.sums !== undefined)
      for (const { key, counter } of this.sums) counter.inc(labels, stage.sums[key]);
    this.seconds.set(labels, counters.secondsOf(stage));
    this.running.set(labels, stage.seconds === undefined ? 1 : 0);
    this.failed.set(labels, stage.failed ? 1 : 0);
    if (stage.succeeded !== undefined) this.success.set(labels, stage.succeeded);
    const { rate, remaining } = paceOf(stage, counters);
    if (rate !== undefined) this.rate.set(labels, rate);
    if (remaining !== undefined) this.remaining.set(labels, remaining);
  }

  private gauge(name: string, help: string) {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}

/** That of its phase while it runs, then that of all. */
function paceOf(stage: StageCounters, counters: Counters): { rate?: number; remaining?: number | undefined } {
  const { rows, seconds } = stage;
  if (rows !== undefined && seconds !== undefined)
    return { rate: seconds > 0 ? rows / seconds : 0, remaining: 0 };
  if (stage !== counters.current || counters.phase === undefined) return {};
  return { rate: counters.rate, remaining: counters.remaining };
}

function labelsOf({ scope: { stage, partition, shard } }: StageCounters) {
  return { stage, partition, ...(shard === undefined ? {} : { shard }) };
}

/** When a stage ended well, as an earlier file has it. */
interface Success {
  labels: { stage: string; partition: string; shard?: string };
  value: number;
}

/** The metrics file while stages run. */
export class MetricsFile {
  private readonly timer: NodeJS.Timeout;
  private writing: Promise<void> = Promise.resolve();
  private warned = false;

  private constructor(
    private readonly file: string,
    private readonly metrics: Metrics,
    private readonly log: Logger,
  ) {
    this.timer = setInterval(() => void this.write(), interval).unref();
  }

  /**
   * Writes the file for the first time, and every few seconds from now on.
   * @throws inputError where the file is another's; runError where it can't be written
   */
  static async open(file: string, counters: Counters, log: Logger): Promise<MetricsFile> {
    makeFolder(dirname(file));
    removeStale(dirname(file));
    const metrics = new Metrics(counters, successesIn(file));
    await replace(file, metrics);
    return new MetricsFile(file, metrics, log);
  }

  /** Writes it a last time. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.write();
  }

  /** A disk that is full must not cost the run; once is enough to say so. */
  private write(): Promise<void> {
    this.writing = this.writing
      .then(() => replace(this.file, this.metrics))
      .catch((error: unknown) => {
        if (!this.warned) this.log.warn({}, messageOf(error));
        this.warned = true;
      });
    return this.writing;
  }
}

function replace(file: string, metrics: Metrics): Promise<void> {
  return replaceFile(file, 'the metrics could not be written', async (temporary) =>
    writeFile(temporary, await metrics.text()),
  );
}

const successLine = /^dare_last_success_timestamp_seconds\{(.*)\} (\S+)$/gm;
const labelPair = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** The last success of each stage. @throws inputError where the file is there and holds no metrics of ours */
function successesIn(file: string): Success[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw unreadable(error, `--metrics-file ${file}`, 'Name another file.');
  }
  if (text !== '' && !text.startsWith('# HELP dare_'))
    throw inputError(`--metrics-file ${file} is there, and isn't of dare`, 'Name a new file, or remove it.');
  const latest = new Map<string, Success>();
  for (const [, pairs = '', number] of text.matchAll(successLine)) {
    const labels = Object.fromEntries([...pairs.matchAll(labelPair)].map(([, name, value]) => [name, value]));
    const { stage = '', partition = '', shard } = labels;
    const value = Number(number);
    if (!(value > (latest.get(stage)?.value ?? 0))) continue;
    latest.set(stage, { labels: { stage, partition, ...(shard === undefined ? {} : { shard }) }, value });
  }
  return [...latest.values()];
}
