import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import pLimit from 'p-limit';
import { fileError } from './file-error.js';
import { lineOf, readLines } from './lines.js';
import { syncFile } from './publish.js';

/** Milliseconds between two syncs while lines come: what a crash of the machine can take back. */
const syncInterval = 1000;

/**
 * JSON values, one a line, each behind a checksum: a file that only grows, of which every line is there once `append`
 * has settled, also after `kill -9`. A crash can cut off or spoil what is last: reading ends before the first line that
 * isn't whole, and the file goes on from there.
 */
export class LineLog {
  private readonly inTurn = pLimit(1);
  private syncedAt = performance.now();
  private failure: unknown;
  private isOpen = true;
  /** Lines that are to be written, and what settles when they are. */
  private waiting: string[] = [];
  private written: Promise<void> | undefined;

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private end: number,
    /** What the file held when it was opened. */
    readonly lines: readonly unknown[],
  ) {}

  /** @throws runError where the file can't be read or written */
  static async open(path: string): Promise<LineLog> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'a');
      const lines: unknown[] = [];
      const { end, lost } = await readLines(path, (value) => void lines.push(value));
      if (lost > 0) await handle.truncate(end);
      if (end + lost === 0) await syncFile(dirname(path), 'r');
      return new LineLog(path, handle, end, lines);
    } catch (error) {
      await handle?.close();
      throw fileError(error, 'the log of finished texts could not be opened', path);
    }
  }

  /** Settles when the line is with the system. @throws runError when the disk fails, and then always */
  append(value: unknown): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.waiting.push(lineOf(value));
    // one write for all lines that come while another is under way: a write costs more than a line
    this.written ??= this.write(() => this.writeWaiting());
    return this.written;
  }

  /** Brings what was appended to the disk. */
  sync(): Promise<void> {
    return this.write(() => this.toDisk());
  }

  /** Gives the file back, synced where that is possible. Fine to call again. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.isOpen) return;
      this.isOpen = false;
      await this.handle.datasync().catch(() => undefined);
      await this.handle.close();
    });
  }

  private async writeWaiting(): Promise<void> {
    const bytes = Buffer.from(this.waiting.join(''));
    this.waiting = [];
    this.written = undefined;
    // a write can be cut short, on a disk that is nearly full for one: the next call then tells why
    for (let from = 0; from < bytes.length; ) from += (await this.handle.write(bytes, from)).bytesWritten;
    this.end += bytes.length;
    if (performance.now() - this.syncedAt >= syncInterval) await this.toDisk();
  }

  private async toDisk(): Promise<void> {
    await this.handle.datasync();
    this.syncedAt = performance.now();
  }

  private write(task: () => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      if (this.failure !== undefined) throw this.failure;
      try {
        await task();
      } catch (error) {
        this.failure = fileError(error, 'the log of finished texts could not be written', this.path);
        // the next reader would stop there too; like this it can't take the beginning of a line for one
        await this.handle.truncate(this.end).catch(() => undefined);
        throw this.failure;
      }
    });
  }
}
