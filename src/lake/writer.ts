import pLimit from 'p-limit';
import parquet, { type ParquetSchema, type ParquetWriter } from 'parquetjs-lite';
import { type DareError, runError } from '../errors.js';
import { fileError } from './file-error.js';
import { discard, publishFile, temporaryBeside } from './publish.js';
import { shredRow } from './shred.js';
import { FileSink } from './sink.js';
import { schemaOf, sizeOf, type TextRow, toRecord } from './text-table.js';

export type { FinishReason, TextRow } from './text-table.js';

// the library's writers call it by this name
parquet.ParquetShredder.shredRecord = shredRow;

export interface WriterOptions {
  compression?: 'SNAPPY' | 'GZIP';
  /** A row group is written when it holds this many rows (256 when left out), */
  rowGroupRows?: number;
  /** or about this many bytes (8 MiB). What isn't written yet is in memory, several times over. */
  rowGroupBytes?: number;
  /** Key-value metadata of the file. */
  metadata?: Record<string, string>;
}

/**
 * Writes texts to a Parquet file, row by row, with bounded memory. The file is made under a temporary name beside its own
 * and published by `close`; until then, and after a failure, readers see the old one.
 *
 * Calls may overlap: rows are written in the order of the calls.
 */
export class FeatureWriter {
  private written = 0;
  private pendingBytes = 0;
  private pendingRows = 0;
  private readonly inTurn = pLimit(1);
  private failure: DareError | undefined;
  private ended = false;

  private constructor(
    private readonly final: string,
    private readonly temporary: string,
    private readonly sink: FileSink,
    private readonly writer: ParquetWriter,
    private readonly limits: { rows: number; bytes: number },
  ) {}

  /** @throws runError where the folder can't be written */
  static async open(final: string, options: WriterOptions = {}): Promise<FeatureWriter> {
    const temporary = temporaryBeside(final);
    const limits = { rows: options.rowGroupRows ?? 256, bytes: options.rowGroupBytes ?? 8 << 20 };
    let sink: FileSink | undefined;
    try {
      sink = await FileSink.open(temporary);
      const schema = quick(new parquet.ParquetSchema(schemaOf(options.compression ?? 'SNAPPY')));
      // Small pages: while a page is open the library keeps a Set of its distinct values, whatever `statistics` says.
      const writer = await parquet.ParquetWriter.openStream(schema, sink, {
        rowGroupSize: limits.rows,
        pageSize: 64,
        pageIndex: false,
      });
      for (const [key, value] of Object.entries(options.metadata ?? {})) writer.setMetadata(key, value);
      return new FeatureWriter(final, temporary, sink, writer, limits);
    } catch (error) {
      await sink?.destroy();
      await discard(temporary);
      throw fileError(error, 'the file could not be made', final);
    }
  }

  /** Rows appended so far. */
  get rows(): number {
    return this.written;
  }

  /**
   * Appends a row; settles when it is taken, not when it is on the disk.
   * @throws runError for a value that can't be stored (then the row is left out and the writer goes on), and when the
   *   disk fails (then the file is gone, and every further call fails with the same error)
   */
  append(row: TextRow): Promise<void> {
    return this.enqueue(async () => {
      const record = toRecord(row);
      this.pendingBytes += sizeOf(row);
      // The library counts rows only: a group that is full by its bytes is closed with this row.
      this.pendingRows++;
      const full = this.pendingBytes >= this.limits.bytes || this.pendingRows >= this.limits.rows;
      this.writer.setRowGroupSize(full ? 1 : this.limits.rows);
      await this.guard(() => this.writer.appendRow(record));
      this.written++;
      if (full) {
        this.pendingBytes = 0;
        this.pendingRows = 0;
      }
    });
  }

  /** Finishes the file and publishes it. @throws runError when the disk fails; nothing is left then */
  close(): Promise<{ rows: number; bytes: number }> {
    return this.enqueue(async () => {
      if (this.ended) throw runError(`${this.final} is closed already`);
      await this.guard(() => this.writer.close());
      this.ended = true;
      await publishFile(this.temporary, this.final);
      return { rows: this.written, bytes: this.sink.bytes };
    });
  }

  /** Gives the file up: the temporary one is removed, the old one stays. Fine to call at any time, also twice. */
  async abort(): Promise<void> {
    this.failure ??= runError(`writing ${this.final} was given up`);
    await this.inTurn(() => undefined);
    await this.drop();
  }

  private enqueue<Result>(task: () => Promise<Result>): Promise<Result> {
    return this.inTurn(() => {
      if (this.failure !== undefined) throw this.failure;
      return task();
    });
  }

  /** Runs a step of the library. It throws strings, and never hears of the sink's errors: they are looked for here. */
  private async guard(step: () => Promise<void>): Promise<void> {
    let error: unknown;
    try {
      await step();
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    error = this.sink.error ?? error;
    if (error === undefined) return;
    this.failure = fileError(error, 'the file could not be written', this.final);
    await this.drop();
    throw this.failure;
  }

  private async drop(): Promise<void> {
    await this.sink.destroy();
    if (!this.ended) await discard(this.temporary);
  }
}

/**
 * The library looks its columns up by `data[field.path]` several times a value, where path is an array that is joined
 * each time: with the text at hand writing is faster. Not enumerable, because the footer lists the array's properties.
 */
function quick(schema: ParquetSchema): ParquetSchema {
  for (const { path } of schema.fieldList) {
    const text = path.join(',');
    Object.defineProperty(path, 'toString', { value: () => text, enumerable: false });
  }
  return schema;
}
