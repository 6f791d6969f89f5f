import { closeSync, openSync, readSync } from 'node:fs';
import { constants, gunzipSync } from 'node:zlib';
import { inputError } from '../errors.js';
import { isGzip } from './gzip.js';

export interface CsvHeader {
  columns: string[];
  delimiter: Delimiter;
}

export type Delimiter = ',' | ';' | '\t' | '|';

const delimiters: readonly Delimiter[] = [',', ';', '\t', '|'];
const longestHeader = 1024 * 1024;

/**
 * The header line of a CSV file (RFC 4180; .gz too). The delimiter is the one that occurs most in it, outside quotes.
 * Reads the file's beginning only.
 * @throws inputError for a header that isn't UTF-8 text, or that names a column twice or with nothing.
 */
export function readCsvHeader(key: string, file: string): CsvHeader {
  const record = firstRecord(decode(key, file, beginning(file)));
  const delimiter = delimiters.reduce((best, each) =>
    occurs(record, each) > occurs(record, best) ? each : best,
  );
  const columns = fields(record, delimiter);
  const wrong = columns.findIndex((name, index) => name === '' || isRepeated(columns, name, index));
  if (wrong !== -1) {
    const what = columns[wrong] === '' ? 'has no name' : `has the name "${columns[wrong]}" a second time`;
    throw inputError(
      `${key}: column ${wrong + 1} in the header of ${file} ${what}; each column needs a name of its own`,
      'Correct the header, the first line of the file.',
    );
  }
  return { columns, delimiter };
}

// SQL tells names of columns apart without regard to case.
function isRepeated(columns: readonly string[], name: string, index: number): boolean {
  return columns.slice(0, index).some((other) => other.toLowerCase() === name.toLowerCase());
}

function beginning(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(longestHeader);
    const part = bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
    return isGzip(part) ? gunzipSync(part, { finishFlush: constants.Z_SYNC_FLUSH }) : part;
  } finally {
    closeSync(descriptor);
  }
}

function decode(key: string, file: string, bytes: Buffer): string {
  const cut = firstRecord(bytes.toString('latin1')).length;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, cut));
    if (!text.includes('\0')) return text;
  } catch {
    // Said below.
  }
  throw inputError(
    `${key}: the header of ${file} holds text that is not UTF-8`,
    'Convert the file to UTF-8.',
  );
}

/** Up to the first line end outside quotes. */
function firstRecord(text: string): string {
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    else if (!quoted && (character === '\n' || character === '\r')) return text.slice(0, at);
  }
  return text;
}

function occurs(record: string, delimiter: Delimiter): number {
  return fields(record, delimiter).length - 1;
}

function fields(record: string, delimiter: Delimiter): string[] {
  const found: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < record.length; at++) {
    const character = record[at] as string;
    if (character === '"') {
      // A doubled quote within quotes is one quote.
      if (quoted && record[at + 1] === '"') field += record[++at] as string;
      else quoted = !quoted;
    } else if (character === delimiter && !quoted) {
      found.push(field);
      field = '';
    } else field += character;
  }
  return [...found, field];
}
