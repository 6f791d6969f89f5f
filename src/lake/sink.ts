import { type FileHandle, open } from 'node:fs/promises';
import type { Sink } from 'parquetjs-lite';

/**
 * A file for parquetjs-lite to write to. It never answers with an error: the library writes the file's first bytes
 * without waiting, and an error there would end the process as an unhandled rejection. Instead the first error is
 * kept in `error`, and everything after it is dropped; whoever owns the sink looks there after each call.
 */
export class FileSink implements Sink {
  error: unknown;
  /** Bytes written so far. */
  bytes = 0;
  private queue: Promise<void> = Promise.resolve();
  private isOpen = true;

  private constructor(private readonly handle: FileHandle) {}

  static async open(path: string): Promise<FileSink> {
    return new FileSink(await open(path, 'w'));
  }

  write(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    this.enqueue(async () => {
      let from = 0;
      // A write can be cut short, on a disk that is nearly full for one: the next call then tells why.
      while (from < bytes.length) from += (await this.handle.write(bytes, from)).bytesWritten;
      this.bytes += bytes.length;
    }, done);
  }

  end(done: (error?: Error | null) => void): void {
    this.enqueue(() => this.destroy(), done);
  }

  /** Closes the file; fine to call again. */
  async destroy(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.handle.close();
  }

  private enqueue(task: () => Promise<void>, done: () => void): void {
    this.queue = this.queue
      .then(() => (this.error === undefined ? task() : undefined))
      .catch((error: unknown) => {
        this.error = error;
      })
      .then(done);
  }
}
