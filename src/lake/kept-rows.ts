import { createHash } from 'node:crypto';
import { createReadStream, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { z } from 'zod';
import { runError } from '../errors.js';
import type { Logger } from '../stage.js';
import { fileError } from './file-error.js';
import { listFolder, makeFolder } from './folder.js';
import { LineLog } from './line-log.js';
import { discard, removeStale, replaceFile } from './publish.js';
import { sizeOf } from './text-table.js';
import { FeatureWriter, type TextRow } from './writer.js';

/** Everything that decides a run's texts, by name: runs with equal keys may share rows. */
export type RunKey = Record<string, string>;

/** A part is put into order in memory, which takes about four times as much. */
const defaultPartBytes = 16 << 20;
const formatVersion = 3;
const journalName = 'journal';

const headerSchema = z.object({ format: z.literal(formatVersion), run: z.record(z.string(), z.string()) });
const partSchema = z.object({ part: z.number().int(), rows: z.number().int(), sha256: z.string() });
const droppedSchema = z.object({ dropped: z.number().int() });
type Part = z.output<typeof partSchema>;

/**
 * The rows of a table in the making, kept from the moment each is finished: whatever ends the process, the next one
 * with the same key goes on behind them.
 *
 * The folder holds a `journal` (the run's key, then a line for every part), Parquet parts, each small enough to be put
 * into order in memory, and `rows-<n>.log` with the rows of the part that isn't closed. A part counts from its line in
 * the journal on, its log until then: so a row is there once, whenever the process ends. What was kept is a part of its
 * own after opening.
 *
 * Calls of `append` may overlap: rows are written in the order of the calls. One process at a time: see RunLock.
 */
export class KeptRows {
  private readonly inTurn = pLimit(1);
  private current: { writer: FeatureWriter; log: LineLog; number: number; bytes: number } | undefined;
  private ended = false;
  private appended = 0;

  private constructor(
    readonly folder: string,
    private readonly partBytes: number,
    private readonly journal: LineLog,
    private readonly closed: Part[],
    private next: number,
  ) {}

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
    let journal = await LineLog.open(join(folder, journalName));
    try {
      const [first] = journal.lines;
      const header = headerSchema.safeParse(first).data;
      const differing = header === undefined ? [] : differences(header.run, run);
      if (header === undefined || differing.length > 0) {
        await journal.close();
        const why =
          header === undefined ? 'have no whole journal' : `are of another run (${differing.join(', ')})`;
        if (empty(folder)) log.warn({}, `the texts kept in ${folder} ${why}: starting anew`);
        journal = await LineLog.open(join(folder, journalName));
        await journal.append({ format: formatVersion, run });
        await journal.sync();
      }
      const { listed, next } = partsOf(journal.lines);
      const rows = new KeptRows(folder, partBytes, journal, [], next);
      for (const part of listed) await rows.readmit(part, log);
      await rows.recover(log);
      return rows;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Finished rows: those of earlier runs, and those appended. */
  get rows(): number {
    return this.closed.reduce((sum, part) => sum + part.rows, 0) + this.appended;
  }

  /** The closed parts. Right after `open` they hold all rows that were kept. */
  get parts(): string[] {
    return this.closed.map(({ part }) => partFile(this.folder, part));
  }

  /** Settles when the row would outlive the process. @throws runError as FeatureWriter.append does, and after the end */
  append(row: TextRow): Promise<void> {
    return this.inTurn(async () => {
      if (this.ended) throw runError(`writing to ${this.folder} has ended`);
      if (this.current !== undefined && this.current.bytes >= this.partBytes) await this.closePart();
      const current = await this.openPart();
      await current.writer.append(row);
      await current.log.append(toLine(row));
      current.bytes += sizeOf(row);
      this.appended++;
    });
  }

  /**
   * Adds rows that are made elsewhere as a part of its own.
   * @param write writes the part, as FeatureWriter does, and returns its number of rows, which it returns too
   */
  addPart(write: (file: string) => Promise<number>): Promise<number> {
    return this.inTurn(async () => {
      const number = this.next++;
      let rows = 0;
      await replaceFile(
        partFile(this.folder, number),
        'the texts could not be kept',
        async (temporary: string) => {
          rows = await write(temporary);
        },
      );
      await this.enter(number, rows);
      return rows;
    });
  }

  /** Finishes the last part and returns all parts; none for no rows. */
  close(): Promise<string[]> {
    return this.inTurn(async () => {
      if (this.current !== undefined) await this.closePart();
      this.ended = true;
      await this.journal.close();
      return this.parts;
    });
  }

  /** Ends without closing the last part: its rows are in its log. Fine to call at any time, also twice. */
  async abort(): Promise<void> {
    this.ended = true;
    await this.inTurn(async () => {
      await this.current?.writer.abort();
      await this.current?.log.close();
      await this.journal.close();
    });
    if (this.rows === 0) await this.remove();
  }

  /** Removes all that was kept. */
  async remove(): Promise<void> {
    await discard(this.folder);
  }

  private async openPart() {
    if (this.current !== undefined) return this.current;
    const number = this.next;
    const log = await LineLog.open(logFile(this.folder, number));
    try {
      const writer = await FeatureWriter.open(partFile(this.folder, number));
      this.next++;
      this.current = { writer, log, number, bytes: 0 };
      return this.current;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  private async closePart(): Promise<void> {
    const { writer, log, number } = this.current as NonNullable<typeof this.current>;
    const { rows } = await writer.close();
    await this.enter(number, rows);
    await log.close();
    rmSync(logFile(this.folder, number), { force: true });
    this.current = undefined;
    this.appended -= rows;
  }

  /** From here on the part counts, and not its log. */
  private async enter(number: number, rows: number): Promise<void> {
    const part = { part: number, rows, sha256: await sumOf(partFile(this.folder, number)) };
    await this.journal.append(part);
    await this.journal.sync();
    this.closed.push(part);
  }

  /** Takes a part in that is on the disk as it was written. */
  private async readmit(part: Part, log: Logger): Promise<void> {
    const file = partFile(this.folder, part.part);
    if (existsSync(file) && (await sumOf(file)) === part.sha256) {
      this.closed.push(part);
      return;
    }
    log.warn({}, `${file} is damaged or gone: its ${part.rows} texts are decoded again`);
    await this.journal.append({ dropped: part.part });
    await this.journal.sync();
  }

  /** Makes a part of each log that an ended process left, and removes what belongs to none. */
  private async recover(log: Logger): Promise<void> {
    const logs: number[] = [];
    for (const name of listFolder(this.folder)) {
      const number = Number(/^rows-(\d+)\.log$/.exec(name)?.[1]);
      if (number >= this.next) logs.push(number);
      else if (name !== journalName && !this.parts.includes(join(this.folder, name)))
        rmSync(join(this.folder, name), { recursive: true, force: true });
    }
    for (const number of logs.sort((a, b) => a - b)) {
      await this.recoverLog(number, log);
      this.next = number + 1;
    }
  }

  private async recoverLog(number: number, log: Logger): Promise<void> {
    const file = logFile(this.folder, number);
    const left = await LineLog.open(file);
    await left.close();
    if (left.lost > 0) log.debug({ file, bytes: left.lost }, 'what was half written is left out');
    if (left.lines.length > 0) {
      const writer = await FeatureWriter.open(partFile(this.folder, number));
      try {
        for (const line of left.lines) await writer.append(toRow(line));
        await writer.close();
      } catch (error) {
        await writer.abort();
        throw error;
      }
      await this.enter(number, left.lines.length);
    }
    rmSync(file, { force: true });
  }
}

/** The key of the run whose rows a folder keeps; undefined where its journal is not whole. */
export async function readRunKey(folder: string): Promise<RunKey | undefined> {
  const journal = await LineLog.open(join(folder, journalName));
  await journal.close();
  return headerSchema.safeParse(journal.lines[0]).data?.run;
}

/** The names of what differs between two runs. */
export function differences(one: RunKey, other: RunKey): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]).map((name) => `other ${name}`);
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

/** The parts that the journal lists, without those that were found damaged, and the number of the next one. */
function partsOf(lines: readonly unknown[]): { listed: Part[]; next: number } {
  const parts = lines.flatMap((line) => partSchema.safeParse(line).data ?? []);
  const dropped = new Set(lines.map((line) => droppedSchema.safeParse(line).data?.dropped));
  const next = Math.max(-1, ...parts.map(({ part }) => part)) + 1;
  return { listed: parts.filter(({ part }) => !dropped.has(part)), next };
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(error, 'the kept texts could not be read', file);
  }
  return hash.digest('hex');
}

/** Not `.parquet`: no glob of a reader, `**` included, may take it for a table. */
function partFile(folder: string, number: number): string {
  return join(folder, `part-${number}.rows`);
}

function logFile(folder: string, number: number): string {
  return join(folder, `rows-${number}.log`);
}

/** A row as JSON: the vector's bytes in base64, which is exact, short and quick. */
function toLine({ vector, outputTokenIds, ...row }: TextRow): object {
  const floats = vector === null ? null : Float32Array.from(vector);
  return {
    ...row,
    outputTokenIds: outputTokenIds === null ? null : Array.from(outputTokenIds),
    vector: floats === null ? null : Buffer.from(floats.buffer).toString('base64'),
  };
}

function toRow(line: unknown): TextRow {
  const { vector, ...row } = line as Omit<TextRow, 'vector'> & { vector: string | null };
  return { ...row, vector: vector === null ? null : floatsOf(Buffer.from(vector, 'base64')) };
}

function floatsOf(bytes: Buffer): Float32Array {
  const floats = new Float32Array(bytes.length / Float32Array.BYTES_PER_ELEMENT);
  new Uint8Array(floats.buffer).set(bytes);
  return floats;
}
