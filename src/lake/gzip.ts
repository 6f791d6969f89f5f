/** Whether files are whole gzip files: DuckDB reads up to where one was cut off, and says nothing. */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { inputError, messageOf } from '../errors.js';
import { fileStamp } from './fingerprint.js';

/** Files that were found whole, as they are: each stage asks anew. */
const whole = new Set<string>();

/**
 * Unpacks a gzip file from its beginning to its end and leaves nothing of it; others are only looked at.
 * @throws inputError for one that is cut off or damaged, and where the name says otherwise than the content: DuckDB goes by it
 */
export async function checkGzip(key: string, file: string): Promise<void> {
  const named = /\.gz$/i.test(file);
  if (beginsAsGzip(file) !== named) {
    throw inputError(
      `${key}: ${file} is ${named ? 'no gzip file, though its name says so' : 'a gzip file, and its name does not say so'}`,
      named ? 'Name it without .gz, or compress it.' : 'Name it .gz.',
    );
  }
  if (!named) return;
  const stamp = `${file}\0${fileStamp(file)}`;
  if (whole.has(stamp)) return;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), createGunzip(), nowhere);
  } catch (error) {
    const cut = /unexpected end of file/.test(messageOf(error));
    throw inputError(
      `${key}: ${file} is a ${cut ? 'truncated gzip file (its end is missing)' : `damaged gzip file: ${messageOf(error)}`}`,
      'Write or copy it again.',
      error,
    );
  }
  whole.add(stamp);
}

/** Whether bytes, the first of a file, are those of a gzip file. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function beginsAsGzip(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(2);
    readSync(descriptor, bytes, 0, 2, 0);
    return isGzip(bytes);
  } finally {
    closeSync(descriptor);
  }
}
