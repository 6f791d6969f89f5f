import { join } from 'node:path';
import pLimit from 'p-limit';
import { runError } from '../errors.js';
import { makeFolder } from './folder.js';
import { sizeOf } from './text-table.js';
import { FeatureWriter, type TextRow } from './writer.js';

/** A part is put into order in memory, which takes about four times as much. */
const defaultPartBytes = 16 << 20;

/**
 * Texts in the order in which they are finished, in several Parquet files: each is small enough to be put into order
 * in memory, and what the Parquet library remembers of a file until its end doesn't grow with the number of rows.
 *
 * Calls may overlap: rows are written in the order of the calls.
 */
export class TextParts {
  private readonly files: string[] = [];
  private bytes = 0;
  private readonly inTurn = pLimit(1);
  private ended = false;

  private constructor(
    private readonly folder: string,
    private readonly partBytes: number,
    private writer: FeatureWriter,
  ) {
    this.files.push(fileOf(folder, 0));
  }

  /**
   * @param folder made if it isn't there; whoever owns it removes it
   * @param partBytes about the size of a part, before compression
   * @throws runError where the folder can't be written
   */
  static async open(folder: string, partBytes = defaultPartBytes): Promise<TextParts> {
    makeFolder(folder);
    return new TextParts(folder, partBytes, await FeatureWriter.open(fileOf(folder, 0)));
  }

  /** @throws runError as FeatureWriter.append does, and after `close` or `abort` */
  append(row: TextRow): Promise<void> {
    return this.inTurn(async () => {
      if (this.ended) throw runError(`writing to ${this.folder} has ended`);
      if (this.bytes >= this.partBytes) await this.nextPart();
      await this.writer.append(row);
      this.bytes += sizeOf(row);
    });
  }

  /** Finishes the last part and returns the files: at least one, without rows if need be. */
  close(): Promise<string[]> {
    return this.inTurn(async () => {
      await this.writer.close();
      this.ended = true;
      return this.files;
    });
  }

  /** Gives up the part that isn't finished. Fine to call at any time, also twice. */
  async abort(): Promise<void> {
    this.ended = true;
    await this.inTurn(() => undefined);
    await this.writer.abort();
  }

  private async nextPart(): Promise<void> {
    await this.writer.close();
    const file = fileOf(this.folder, this.files.length);
    this.writer = await FeatureWriter.open(file);
    this.files.push(file);
    this.bytes = 0;
  }
}

function fileOf(folder: string, index: number): string {
  return join(folder, `part-${index}.parquet`);
}
