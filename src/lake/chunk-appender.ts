import { type DuckDBAppender, DuckDBDataChunk, type DuckDBType, type DuckDBValue } from 'duckdb';
import type { Duck } from './duck.js';

/** DuckDB's vector size: a chunk can't hold more rows. */
const chunkRows = 2048;

/**
 * Adds rows made in JavaScript to a DuckDB table, a chunk at a time: about a million short rows a second, where
 * inserting row by row brings thousands. Rows are in the table after `close`.
 */
export class ChunkAppender {
  private rows: (readonly DuckDBValue[])[] = [];

  private constructor(
    private readonly appender: DuckDBAppender,
    private readonly types: readonly DuckDBType[],
  ) {}

  /** `types` are those of the table's columns, in their order. */
  static async open(duck: Duck, table: string, types: readonly DuckDBType[]): Promise<ChunkAppender> {
    return new ChunkAppender(await duck.connection.createAppender(table), types);
  }

  append(row: readonly DuckDBValue[]): void {
    this.rows.push(row);
    if (this.rows.length === chunkRows) this.flush();
  }

  close(): void {
    this.flush();
    this.appender.closeSync();
  }

  private flush(): void {
    if (this.rows.length === 0) return;
    const chunk = DuckDBDataChunk.create(this.types);
    chunk.setRows(this.rows);
    this.appender.appendDataChunk(chunk);
    this.rows = [];
  }
}
