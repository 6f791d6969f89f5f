import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listValue } from 'duckdb';
import { DareError, inputError, messageOf, runError } from '../errors.js';
import { noPermission } from '../unreadable.js';
import { Duck, listOfFiles } from './duck.js';
import { fileError } from './file-error.js';

export interface PageOptions {
  /** Rows a page: all of a page is in memory at once. */
  pageSize?: number;
  /** DuckDB's limit while checking and sorting, for example '1GB'; beyond it data is spilled. */
  memoryLimit?: string;
  threads?: number;
  /** Folder for spilled data; the system's temporary folder when left out. */
  temporary?: string;
}

export interface Column {
  name: string;
  type: string;
}

/** A DuckDB connection of its own with a folder for what it spills, both gone when closed. */
export class PageSession {
  private constructor(
    readonly duck: Duck,
    readonly folder: string,
    private readonly pageSize: number,
  ) {}

  static async open(options: PageOptions): Promise<PageSession> {
    const folder = makeTemporary(options.temporary ?? tmpdir());
    const duck = await Duck.open({
      threads: options.threads ?? 2,
      memoryLimit: options.memoryLimit ?? '1GB',
      tempDirectory: folder,
    });
    await duck.script('lake/read-once');
    return new PageSession(duck, folder, options.pageSize ?? 1024);
  }

  async columns(files: string[]): Promise<Column[]> {
    const rows = await this.duck.scriptRows('lake/columns', {
      params: { files: listValue(files) },
      types: listOfFiles,
    });
    return rows.map((row) => ({
      name: String(row.column_name).toLowerCase(),
      type: String(row.column_type),
    }));
  }

  /**
   * Pages through rows `first` up to but not including `rows` by their number, a query a page: a stream would end early
   * without an error.
   */
  async *pages<Row>(
    script: string,
    params: Record<string, string>,
    rows: number,
    convert: (row: Record<string, unknown>) => Row,
    first = 0,
  ): AsyncGenerator<Row[]> {
    for (let start = first; start < rows; start += this.pageSize) {
      const stop = Math.min(start + this.pageSize, rows);
      const page = await this.duck.scriptRows(script, { params: { ...params, start, stop } });
      if (page.length !== stop - start) {
        throw runError(
          `${Object.values(params).join(', ')}: ${page.length} rows were read where ${stop - start} were expected (rows ${start + 1} to ${stop})`,
          'The file seems to have changed while it was read: run the stage again.',
        );
      }
      yield page.map(convert);
    }
  }

  close(): void {
    this.duck.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function makeTemporary(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'dare-'));
  } catch (error) {
    throw fileError(error, 'a folder for temporary data could not be made', parent);
  }
}

/**
 * DuckDB's error while reading as one of ours: the disk's and the memory's faults are no faults of the input.
 * @param temporary where the session spills
 */
export function readError(error: unknown, file: string, temporary: string): DareError {
  if (error instanceof DareError) return error;
  const [message = ''] = messageOf(error).split('\n');
  // reading needs no space: it is the temporary data that found none
  if (/No space left|Disk quota|File too large/.test(message)) {
    const { message: sentence } = fileError(error, 'the folder of temporary data is too small', temporary);
    return runError(sentence, 'Free some space there, or set TMPDIR to another folder.', error);
  }
  if (/Permission denied|Read-only/.test(message)) {
    return noPermission(file, error);
  }
  if (/Out of Memory/i.test(message)) {
    return runError(`${file}: reading it took more memory than allowed: ${message}`, undefined, error);
  }
  if (/No files found/.test(message))
    return inputError(`${file}: there is no such file`, 'Check its path.', error);
  return inputError(
    `${file} can't be read as Parquet: ${message}`,
    'Is it cut off, or of another format?',
    error,
  );
}
