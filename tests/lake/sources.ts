import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duck } from '../../src/lake/duck.js';
import type { Sources } from '../../src/lake/input-sources.js';

export const goodItems = 'id,title,year\n1,Alpha,1999\n2,"Beta, the second",2001\n3,Gamma,\n';
export const goodRatings =
  'user,item,rating,time\n7,1,5,2024-01-01T00:00:00Z\n7,2,3.5,2024-01-02T00:00:00Z\n8,3,1,1704067200\n';

/** Folder with items.csv and ratings.csv, and a session, for as long as `work` runs. */
export async function inFolder(work: (folder: string, duck: Duck) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dare-inputs-'));
  const duck = await Duck.open({ threads: 2 });
  try {
    writeFileSync(join(folder, 'items.csv'), goodItems);
    writeFileSync(join(folder, 'ratings.csv'), goodRatings);
    await work(folder, duck);
  } finally {
    duck.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What `openInputs` takes for those files. */
export function sources(folder: string, change: Partial<Sources> = {}): Sources {
  return {
    items: { path: [join(folder, 'items.csv')], id: 'id', columns: { title: 'title', year: 'year' } },
    ratings: {
      path: [join(folder, 'ratings.csv')],
      user: 'user',
      item: 'item',
      value: 'rating',
      time: 'time',
    },
    ...change,
  };
}

/** Runs SQL that writes a file, `$file`. */
export async function copyTo(
  duck: Duck,
  file: string,
  query: string,
  options = 'format parquet',
): Promise<void> {
  await duck.run(`copy (${query}) to $file (${options})`, { file });
}
