/** What looks on while a command runs: progress, the log of stages, the files of metrics and lineage. */
import { Counters } from '../report/counters.js';
import { LEVELS, type LogLevel } from '../report/log.js';
import { StageLog, Watch } from '../report/observe.js';
import { countingProgress, createProgress } from '../report/progress.js';
import type { Screen } from '../report/screen.js';
import type { Logger, StageObserver, StageTools } from '../stage.js';
import type { Options } from './options.js';

/** How much is logged; checked with the arguments. */
export function levelOf({ quiet, debug, 'log-level': level }: Options): LogLevel {
  return LEVELS.find((known) => known === level) ?? (quiet ? 'warn' : debug ? 'debug' : 'info');
}

/** Whether only warnings and errors, or less, are shown. */
export function isQuiet(options: Options): boolean {
  return LEVELS.indexOf(levelOf(options)) > LEVELS.indexOf('info');
}

export interface Watching {
  tools: StageTools & { watch: Watch };
  /** Ends what looks on, stages that an error has left running too. Fine to call again; never throws. */
  close(error?: unknown): Promise<void>;
}

/** @throws as MetricsFile.open and LineageFile.open */
export async function startWatching(
  options: Options,
  screen: Screen,
  log: Logger,
  signal: AbortSignal,
): Promise<Watching> {
  const { json = false, 'metrics-file': metricsFile, 'lineage-file': lineageFile } = options;
  const counters = new Counters();
  const line = (text: string, fields: object) => log.info(json ? { progress: fields } : {}, text);
  const progress = isQuiet(options)
    ? countingProgress(counters)
    : createProgress({ screen, line, plain: json, counters });
  const observers: StageObserver[] = [counters, new StageLog(log)];
  const endings: (() => Promise<void>)[] = [];
  if (metricsFile !== undefined) {
    const { MetricsFile } = await import('../report/metrics.js');
    const metrics = await MetricsFile.open(metricsFile, counters, log);
    endings.push(() => metrics.close());
  }
  if (lineageFile !== undefined) {
    const { LineageFile } = await import('../report/lineage.js');
    observers.push(LineageFile.open(lineageFile, log));
  }
  const watch = new Watch(observers, signal, log);
  const close = async (error: unknown) => {
    await watch.abandon(error);
    for (const end of endings.splice(0)) await end();
  };
  return { tools: { log, progress, signal, watch }, close };
}
