import { DOUBLE, DuckDBDataChunk, type DuckDBType, INTEGER } from 'duckdb';
import { type Duck, quoteIdentifier } from './duck.js';

/** Numbers as they lie in memory: INTEGER, UINTEGER or DOUBLE columns, none of them null. */
export type NumberColumn = Int32Array | Uint32Array | Float64Array;

const pageRows = 1 << 20;
/** DuckDB's vector size: a chunk can't hold more rows. */
const chunkRows = 2048;

interface NumberVector {
  items: NumberColumn;
  flush(): void;
}

/**
 * Columns of numbers of a table of the session, in the order in which its rows were made, some two thousand rows at a
 * time: tens of millions of rows a second. The arrays are DuckDB's own memory, of use until the next ones are asked for.
 */
export async function* numberColumns(
  duck: Duck,
  table: string,
  columns: readonly string[],
): AsyncGenerator<NumberColumn[]> {
  const from = quoteIdentifier(table);
  const list = columns.map(quoteIdentifier).join(', ');
  const [count] = await duck.rows(`select count(*)::double as n from ${from}`);
  const rows = Number(count?.n);
  let read = 0;
  for (let first = 0; first < rows; first += pageRows) {
    const sql = `select ${list} from ${from} where rowid >= ${first} and rowid < ${first + pageRows} order by rowid`;
    const page = await duck.run(sql);
    for (let index = 0; index < page.chunkCount; index++) {
      const chunk = page.getChunk(index);
      const size = chunk.rowCount;
      yield columns.map((_, column) => {
        const { items } = chunk.getColumnVector(column) as unknown as NumberVector;
        return items.subarray(0, size);
      });
      read += size;
    }
  }
  if (read !== rows) throw new Error(`${read} of ${rows} rows were read of the table ${table}`);
}

/** A column of a table as one array, in the order in which its rows were made. */
export async function unsignedColumn(duck: Duck, table: string, column: string): Promise<Uint32Array> {
  const pages: Uint32Array[] = [];
  for await (const [numbers] of numberColumns(duck, table, [column]))
    pages.push(Uint32Array.from(numbers ?? []));
  const all = new Uint32Array(pages.reduce((sum, page) => sum + page.length, 0));
  let at = 0;
  for (const page of pages) {
    all.set(page, at);
    at += page.length;
  }
  return all;
}

/** Adds rows to a table of INTEGER and DOUBLE columns: one array for each, all of the same length. */
export async function appendNumbers(
  duck: Duck,
  table: string,
  columns: readonly (Int32Array | Float64Array)[],
): Promise<void> {
  const types: DuckDBType[] = columns.map((column) => (column instanceof Int32Array ? INTEGER : DOUBLE));
  const rows = columns[0]?.length ?? 0;
  const appender = await duck.connection.createAppender(table);
  for (let first = 0; first < rows; first += chunkRows) {
    const last = Math.min(first + chunkRows, rows);
    const chunk = DuckDBDataChunk.create(types, last - first);
    for (const [index, column] of columns.entries()) {
      const vector = chunk.getColumnVector(index) as unknown as NumberVector;
      vector.items.set(column.subarray(first, last));
      vector.flush();
    }
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}
