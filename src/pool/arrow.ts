/**
 * Arrow IPC files of one row whose columns are lists of integers: written by Arrow's writer, read in place.
 *
 * Reading goes by the framing alone (columnar format, "IPC File Format"): a file begins with its magic, then comes a
 * message with the lengths of the batch, then the batch's buffers in order, each padded to 8 bytes, and last a footer
 * with the schema, the footer's length and the magic again. Arrow's own reader follows offsets that a damaged file may
 * send anywhere, and can loop for hours; here the caller says how long each list is, and what doesn't fit is refused.
 */
import {
  AsyncByteQueue,
  Field,
  Int32,
  List,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
} from 'apache-arrow';

const magic = 'ARROW1';
/** Bytes of the magic, padded. */
const preamble = 8;
/** Bytes behind the footer: its length and the magic. */
const trailer = 4 + magic.length;

/** Keeps what the writer writes, without joining it: a pool may be as large as half of the memory. */
class Chunks extends AsyncByteQueue {
  private readonly list: Uint8Array[] = [];

  override write(chunk: ArrayBufferView): void {
    this.list.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  join(): SharedArrayBuffer {
    const bytes = new SharedArrayBuffer(this.list.reduce((sum, { length }) => sum + length, 0));
    const view = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of this.list) {
      view.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

/** The file's bytes in shared memory; `value` stands in the schema's metadata under `key`. */
export function writeLists(
  lists: readonly { name: string; values: Int32Array }[],
  key: string,
  value: string,
): SharedArrayBuffer {
  const item = new Field('item', new Int32(), false);
  const fields = lists.map(({ name }) => new Field(name, new List(item), false));
  const children = lists.map(({ values }) => {
    const child = makeData({ type: new Int32(), length: values.length, nullCount: 0, data: values });
    const valueOffsets = Int32Array.of(0, values.length);
    return makeData({ type: new List(item), length: 1, nullCount: 0, valueOffsets, child });
  });
  const schema = new Schema(fields, new Map([[key, value]]));
  const row = makeData({ type: new Struct(fields), length: 1, nullCount: 0, children });
  const chunks = new Chunks();
  const writer = new RecordBatchFileWriter().reset(chunks, schema);
  writer.write(new RecordBatch(schema, row));
  writer.finish();
  return chunks.join();
}

/** The text in the file's schema that begins with `start` and ends at a 0 byte; undefined where there is none. */
export function schemaText(bytes: SharedArrayBuffer, start: string): string | undefined {
  const end = bytes.byteLength - trailer;
  if (end < preamble || textAt(bytes, end + 4, magic.length) !== magic) return undefined;
  const length = new DataView(bytes).getInt32(end, true);
  if (length < 0 || length > end - preamble) return undefined;
  const footer = copyOf(bytes, end - length, length);
  const from = footer.indexOf(start);
  const to = footer.indexOf(0, from);
  return from < 0 || to < 0 ? undefined : footer.toString('utf8', from, to);
}

/** The lists, which are to have these lengths, as views; undefined where the file doesn't hold them. */
export function listsIn(bytes: SharedArrayBuffer, lengths: readonly number[]): Int32Array[] | undefined {
  const body = bodyOf(bytes);
  if (body === undefined) return undefined;
  let at: number = body;
  const lists: Int32Array[] = [];
  for (const length of lengths) {
    // where the row's list begins and ends, then its items
    const items = at + 8;
    const end = items + Math.ceil(length / 2) * 8;
    if (end > bytes.byteLength) return undefined;
    const [first, last] = new Int32Array(bytes, at, 2);
    if (first !== 0 || last !== length) return undefined;
    lists.push(new Int32Array(bytes, items, length));
    at = end;
  }
  return lists;
}

/** Where the buffers begin: behind the magic, a marker, the length of the batch's message, and the message. */
function bodyOf(bytes: SharedArrayBuffer): number | undefined {
  const start = preamble + 8;
  if (start > bytes.byteLength || textAt(bytes, 0, magic.length) !== magic) return undefined;
  const [marker, length] = new Int32Array(bytes, preamble, 2) as unknown as [number, number];
  const end = start + length;
  return marker === -1 && length >= 0 && length % 8 === 0 && end <= bytes.byteLength ? end : undefined;
}

/** Node's decoders take no shared memory. */
function copyOf(bytes: SharedArrayBuffer, start: number, length: number): Buffer {
  return Buffer.from(new Uint8Array(bytes, start, length));
}

function textAt(bytes: SharedArrayBuffer, start: number, length: number): string {
  return copyOf(bytes, start, length).toString('latin1');
}
