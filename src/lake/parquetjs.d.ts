/** The part of parquetjs-lite 0.8.7 that is used here: writing. It brings no declarations of its own. */
declare module 'parquetjs-lite' {
  export interface Field {
    type?: 'UTF8' | 'INT32' | 'FLOAT' | 'DOUBLE' | 'BOOLEAN' | 'LIST';
    optional?: boolean;
    repeated?: boolean;
    compression?: 'UNCOMPRESSED' | 'SNAPPY' | 'GZIP';
    /** False: none are written. Its statistics of text are in UTF-16 order and make readers miss rows. */
    statistics?: false;
    fields?: Record<string, Field>;
  }

  export class ParquetSchema {
    constructor(fields: Record<string, Field>);
    readonly fields: Readonly<Record<string, SchemaField>>;
    /** All fields, nested ones too. */
    readonly fieldList: readonly SchemaField[];
  }

  export interface SchemaField {
    readonly path: string[];
    readonly fields?: Readonly<Record<string, SchemaField>>;
  }

  /** A column's values since the last page. */
  export interface ColumnData {
    dlevels: number[];
    rlevels: number[];
    values: unknown[];
    distinct_values: Set<unknown>;
    count: number;
  }

  /** Rows since the last row group, by the text of a field's path; `{}` before the first of them. */
  export interface RowBuffer {
    columnData?: Record<string, ColumnData>;
    pages: Record<string, unknown[]>;
    rowCount: number;
    pageRowCount: number;
  }

  export interface Shredder {
    /** What the writer splits each row into its columns with. */
    shredRecord(schema: ParquetSchema, row: Record<string, unknown>, buffer: RowBuffer): void;
  }

  /** What the writer needs of a stream. Each call is answered by its callback. */
  export interface Sink {
    write(bytes: Uint8Array, done: (error?: Error | null) => void): void;
    end(done: (error?: Error | null) => void): void;
  }

  export interface WriterOptions {
    /** Rows a row group: all of its values are in memory until it is written. */
    rowGroupSize?: number;
    /** Rows a data page. */
    pageSize?: number;
    /** False: no page offsets are kept in memory and written at the end. */
    pageIndex?: boolean;
  }

  export class ParquetWriter {
    static openStream(schema: ParquetSchema, sink: Sink, options?: WriterOptions): Promise<ParquetWriter>;
    /** Not to be called again before it has settled: rows appended meanwhile would be lost. */
    appendRow(row: Record<string, unknown>): Promise<void>;
    setMetadata(key: string, value: string): void;
    setRowGroupSize(rows: number): void;
    close(): Promise<void>;
  }

  const parquet: {
    ParquetSchema: typeof ParquetSchema;
    ParquetWriter: typeof ParquetWriter;
    ParquetShredder: Shredder;
  };
  export default parquet;
}
