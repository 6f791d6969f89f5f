import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

const sumLength = 16;
const lineFeed = 10;
/** What is read at once; a longer line makes it grow. */
const chunkBytes = 256 << 10;

/** A JSON value as a line of a log: behind a checksum, with its end. */
export function lineOf(value: unknown): string {
  return withSum(JSON.stringify(value));
}

/** What a file of lines holds. */
export interface Lines {
  /** Whole lines before the first that isn't. */
  count: number;
  /** Where the last of them ends, in bytes. */
  end: number;
  /** Bytes behind it. */
  lost: number;
}

/**
 * Reads the values of a file's lines one after the other, up to the first line that isn't whole: one that has no end, or
 * another checksum. Memory is bounded by the longest line.
 * @param take given each value; the next is read when it has settled
 * @throws what the system or `take` throws
 */
export async function readLines(
  path: string,
  take: (value: unknown) => Promise<void> | void,
): Promise<Lines> {
  const handle = await open(path, 'r');
  try {
    return await readFrom(handle, take);
  } finally {
    await handle.close();
  }
}

async function readFrom(handle: FileHandle, take: (value: unknown) => Promise<void> | void): Promise<Lines> {
  let chunk = Buffer.alloc(chunkBytes);
  let filled = 0;
  let [count, end] = [0, 0];
  for (let whole = true; whole; ) {
    if (filled === chunk.length) chunk = Buffer.concat([chunk, Buffer.alloc(chunk.length)]);
    const { bytesRead } = await handle.read(chunk, filled, chunk.length - filled, end + filled);
    if (bytesRead === 0) break;
    // no line ends in what was there before
    let lineEnd = chunk.subarray(0, filled + bytesRead).indexOf(lineFeed, filled);
    filled += bytesRead;
    let start = 0;
    while (lineEnd >= 0 && whole) {
      const json = jsonOf(chunk.toString('utf8', start, lineEnd));
      whole = json !== undefined;
      if (json === undefined) break;
      await take(JSON.parse(json));
      count++;
      start = lineEnd + 1;
      lineEnd = chunk.subarray(0, filled).indexOf(lineFeed, start);
    }
    chunk.copyWithin(0, start, filled);
    filled -= start;
    end += start;
  }
  return { count, end, lost: (await handle.stat()).size - end };
}

/** The JSON of a line without its end, or undefined where its checksum is another. */
function jsonOf(line: string): string | undefined {
  const json = line.slice(sumLength + 1);
  return withSum(json) === `${line}\n` ? json : undefined;
}

function withSum(json: string): string {
  return `${createHash('sha256').update(json).digest('hex').slice(0, sumLength)} ${json}\n`;
}
