import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

export type LineEnd = 'LF' | 'CR LF' | 'CR';

/** A line that ends otherwise than the header. */
export interface OtherLineEnd {
  /** From 1, the header. */
  line: number;
  end: LineEnd;
  header: LineEnd;
}

const [quote, lf, cr] = [0x22, 0x0a, 0x0d];

/**
 * The first line of a CSV file (.gz too) that ends otherwise than its header, quoted line ends aside; undefined where all
 * end alike. Reads the file as a stream.
 */
export async function otherLineEnd(file: string): Promise<OtherLineEnd | undefined> {
  let header: LineEnd | undefined;
  let line = 1;
  let quoted = false;
  /** A CR whose end isn't told yet: LF may follow. */
  let returned = false;
  /** Counts a line; gives its end where it is another than the header's. */
  const ended = (end: LineEnd): OtherLineEnd | undefined => {
    const here = line++;
    if (quoted) return undefined;
    header ??= end;
    return end === header ? undefined : { line: here, end, header };
  };
  for await (const chunk of bytesOf(file)) {
    for (const byte of chunk) {
      let other: OtherLineEnd | undefined;
      if (byte === lf) other = ended(returned ? 'CR LF' : 'LF');
      else if (returned) other = ended('CR');
      if (other !== undefined) return other;
      returned = byte === cr;
      if (byte === quote) quoted = !quoted;
    }
  }
  return returned ? ended('CR') : undefined;
}

/** What is in the file, or what it was zipped from. */
function bytesOf(file: string): AsyncIterable<Buffer> {
  const stream = createReadStream(file);
  if (!file.endsWith('.gz')) return stream;
  const unzipped = createGunzip();
  // closes both when one ends; an error of either is met by whoever reads
  pipeline(stream, unzipped, () => undefined);
  return unzipped;
}
