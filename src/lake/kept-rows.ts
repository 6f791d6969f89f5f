import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { runError } from '../errors.js';
import type { Logger } from '../stage.js';
import { fileError } from './file-error.js';
import { sumOf } from './file-sum.js';
import { listFolder, makeFolder } from './folder.js';
import { journalName, KeptJournal, type Part, type RunKey } from './kept-journal.js';
import { LineLog } from './line-log.js';
import type { LoggedPart, PartJob } from './log-part.js';
import { partInThread } from './part-thread.js';
import { discard, removeStale, replaceFile } from './publish.js';
import { toLine } from './row-line.js';
import { checkRow, sizeOf, type TextRow } from './text-table.js';

/** What is left to do at the end is a part at most; a smaller one would take its thread longer to start than to make. */
const defaultPartBytes = 1 << 20;
/** Full logs of which there are no parts yet, at most: beyond it rows wait. */
const mostFull = 2;

/** Runs `logToPart`. */
type Maker = (job: PartJob, signal: AbortSignal) => Promise<LoggedPart>;

/** Where nothing else is to be done meanwhile: a thread takes 0.15 s longer for a few rows. Loaded only then. */
const here: Maker = async (job) => (await import('./log-part.js')).logToPart(job);

/** A log of rows that aren't in a part. */
interface RowLog {
  number: number;
  lines: LineLog;
  /** About the size of its rows, before compression. */
  bytes: number;
  /** Rows that are with the system. */
  rows: number;
}

/**
 * The rows of a table in the making, kept from the moment each is finished: whatever ends the process, the next one
 * with the same key goes on behind them.
 *
 * The folder holds a `journal` (the run's key, then a line for every part), Parquet parts (`part-<n>.rows`), and
 * `rows-<n>.log` with the rows of a part that isn't made yet. Rows are appended to a log; a thread makes the part of a
 * log that is full while the next is written, one part at a time, and rows wait where it can't follow. A part counts
 * from its line in the journal on, its log until then: so a row is there once, whenever the process ends. Of the last
 * log, and of those that an ended process left, parts are made in the same way, without a thread.
 *
 * Calls of `append` may overlap: rows are written in the order of the calls. One process at a time: see RunLock.
 */
export class KeptRows {
  private readonly inTurn = pLimit(1);
  private readonly oneByOne = pLimit(1);
  /** The parts that are being made, or wait for it. None of these rejects. */
  private readonly making = new Set<Promise<void>>();
  private readonly closed: Part[] = [];
  /** Logs without a part by their numbers; the last may be the current one. */
  private readonly logs = new Map<number, RowLog>();
  private current: RowLog | undefined;
  private readonly ending = new AbortController();
  private ended = false;
  /** Why no more parts are made. */
  private failure: { reason: unknown } | undefined;
  private next: number;

  private constructor(
    readonly folder: string,
    private readonly partBytes: number,
    private readonly journal: KeptJournal,
  ) {
    this.next = Math.max(-1, ...journal.used) + 1;
  }

  /**
   * @param folder made if it isn't there
   * @param run rows of another run are removed, with a warning that says what differs
   * @param partBytes about the size of a part, before compression
   * @throws runError where the folder can't be read or written
   */
  static async open(
    folder: string,
    run: RunKey,
    log: Logger,
    partBytes = defaultPartBytes,
  ): Promise<KeptRows> {
    makeFolder(folder);
    removeStale(folder);
    const journal = await KeptJournal.open(folder, run, log, () => empty(folder));
    try {
      const rows = new KeptRows(folder, partBytes, journal);
      for (const part of journal.listed) await rows.readmit(part, log);
      await rows.recover(log);
      return rows;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Finished rows: those of earlier runs, and those appended. */
  get rows(): number {
    return [...this.closed, ...this.logs.values()].reduce((sum, { rows }) => sum + rows, 0);
  }

  /** The closed parts. Right after `open` they hold all rows that were kept. */
  get parts(): string[] {
    return this.closed.map(({ part }) => partFile(this.folder, part));
  }

  /**
   * Settles when the row would outlive the process.
   * @throws runError for a value that can't be stored (the row is left out then, and others can be appended); when the
   *   disk fails; when the thread that makes parts does, and then always; and after the end
   */
  async append(row: TextRow): Promise<void> {
    checkRow(row);
    const { log, written } = await this.inTurn(async () => {
      if (this.ended) throw runError(`writing to ${this.folder} has ended`);
      const current = await this.openLog();
      current.bytes += sizeOf(row);
      // the next row's turn doesn't wait for this one to be written: those that wait are written together
      return { log: current, written: current.lines.append(toLine(row)) };
    });
    await written;
    log.rows++;
  }

  /**
   * Adds rows that are made elsewhere as a part of its own.
   * @param write writes the part, as FeatureWriter does, and returns its number of rows, which it returns too
   */
  addPart(write: (file: string) => Promise<number>): Promise<number> {
    return this.inTurn(async () => {
      const part = this.next++;
      const file = partFile(this.folder, part);
      let rows = 0;
      await replaceFile(file, 'the texts could not be kept', async (temporary: string) => {
        rows = await write(temporary);
      });
      await this.enter({ part, rows, sha256: await sumOf(file) });
      return rows;
    });
  }

  /** Makes a part of the last rows and returns all parts; none for no rows. @throws as `append` does */
  close(): Promise<string[]> {
    return this.inTurn(async () => {
      this.endLog(here);
      await Promise.all(this.making);
      this.checkFailure();
      this.ended = true;
      await this.journal.close();
      return this.parts;
    });
  }

  /** Ends at once: rows of which there is no part yet are in their logs. Fine to call at any time, also twice. */
  async abort(): Promise<void> {
    this.ended = true;
    this.ending.abort(runError(`writing to ${this.folder} has ended`));
    await this.inTurn(async () => {
      await Promise.all(this.making);
      await this.current?.lines.close();
      await this.journal.close();
    });
    if (this.rows === 0) await this.remove();
  }

  /** Removes all that was kept. */
  async remove(): Promise<void> {
    await discard(this.folder);
  }

  /** The log that is written to; where it is full another one. */
  private async openLog(): Promise<RowLog> {
    if (this.current !== undefined && this.current.bytes >= this.partBytes) this.endLog(partInThread);
    while (this.current === undefined && this.making.size >= mostFull) await Promise.race(this.making);
    this.checkFailure();
    if (this.current !== undefined) return this.current;
    const number = this.next;
    const lines = await LineLog.open(logFile(this.folder, number));
    this.next++;
    this.current = { number, lines, bytes: 0, rows: 0 };
    this.logs.set(number, this.current);
    return this.current;
  }

  /** Hands the current log over to be made a part. */
  private endLog(make: Maker): void {
    const log = this.current;
    if (log === undefined) return;
    this.current = undefined;
    const made = this.oneByOne(() => this.finish(log, make))
      .catch((reason: unknown) => {
        this.failure ??= { reason };
      })
      .finally(() => this.making.delete(made));
    this.making.add(made);
  }

  private async finish(log: RowLog, make: Maker): Promise<void> {
    await log.lines.close();
    // its rows stay in the log
    if (this.failure !== undefined) return;
    await this.makePart(log.number, make, (rows) => {
      if (rows >= log.rows) return;
      throw runError(
        `${logFile(this.folder, log.number)} holds ${rows} whole texts of the ${log.rows} written to it`,
      );
    });
  }

  /** The one way from a log to a part. @param check told how many rows it holds before they count. Returns its lost bytes. */
  private async makePart(number: number, make: Maker, check?: (rows: number) => void): Promise<number> {
    const log = logFile(this.folder, number);
    const job = { log, part: partFile(this.folder, number) };
    const { rows, sha256, lost } = await make(job, this.ending.signal);
    check?.(rows);
    if (rows > 0) await this.enter({ part: number, rows, sha256 });
    await discard(log);
    return lost;
  }

  private checkFailure(): void {
    if (this.failure !== undefined) throw this.failure.reason;
  }

  /** From here on the part counts, and not its log. */
  private async enter(part: Part): Promise<void> {
    await this.journal.enter(part);
    this.closed.push(part);
    this.logs.delete(part.part);
  }

  /** Takes a part in that is on the disk as it was written. */
  private async readmit(part: Part, log: Logger): Promise<void> {
    const file = partFile(this.folder, part.part);
    if (existsSync(file) && (await sumOf(file)) === part.sha256) {
      this.closed.push(part);
      return;
    }
    log.warn({}, `${file} is damaged or gone: its ${part.rows} texts are decoded again`);
    await this.journal.drop(part);
  }

  /** Makes a part of each log that an ended process left, and removes what belongs to none. */
  private async recover(log: Logger): Promise<void> {
    const logs: number[] = [];
    const counted = new Set([journalName, ...this.closed.map(({ part }) => partName(part))]);
    for (const name of listFolder(this.folder)) {
      const number = Number(/^rows-(\d+)\.log$/.exec(name)?.[1]);
      if (number >= 0 && !this.journal.used.has(number)) logs.push(number);
      else if (!counted.has(name)) rmSync(join(this.folder, name), { recursive: true, force: true });
    }
    for (const number of logs.sort((a, b) => a - b)) {
      const lost = await this.makePart(number, here);
      const file = logFile(this.folder, number);
      if (lost > 0) log.debug({ file, bytes: lost }, 'what was half written is left out');
      this.next = Math.max(this.next, number + 1);
    }
  }
}

/** Removes what a folder keeps, the journal first: without it nothing counts. Whether there was anything. */
function empty(folder: string): boolean {
  try {
    rmSync(join(folder, journalName), { force: true });
    const names = listFolder(folder);
    for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
    return names.length > 0;
  } catch (error) {
    throw fileError(error, 'the texts of another run could not be removed', folder);
  }
}

function partFile(folder: string, number: number): string {
  return join(folder, partName(number));
}

/** Not `.parquet`: no glob of a reader, `**` included, may take it for a table. */
function partName(number: number): string {
  return `part-${number}.rows`;
}

function logFile(folder: string, number: number): string {
  return join(folder, `rows-${number}.log`);
}
