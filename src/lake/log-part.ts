import { fileError } from './file-error.js';
import { sumOf } from './file-sum.js';
import { readLines } from './lines.js';
import { toRow } from './row-line.js';
import { FeatureWriter } from './writer.js';

/** A log of rows, and the Parquet file that is to hold them. */
export interface PartJob {
  log: string;
  part: string;
}

/** What became of a log. */
export interface LoggedPart {
  /** Its whole rows; without any no part is made. */
  rows: number;
  /** Of the part. */
  sha256: string;
  /** Bytes of the log that are no whole rows, at its end. */
  lost: number;
}

/**
 * Makes a part of the rows in a log, line by line: memory is bounded by a row group.
 * @throws runError when the disk fails; the log is as it was then, and there is no part
 */
export async function logToPart({ log, part }: PartJob): Promise<LoggedPart> {
  const writer = await FeatureWriter.open(part);
  try {
    const { count, lost } = await readLines(log, (line) => writer.append(toRow(line)));
    if (count === 0) {
      await writer.abort();
      return { rows: 0, sha256: '', lost };
    }
    await writer.close();
    return { rows: count, sha256: await sumOf(part), lost };
  } catch (error) {
    await writer.abort();
    throw fileError(error, 'the log of finished texts could not be read', log);
  }
}
