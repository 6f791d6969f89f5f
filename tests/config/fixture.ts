import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DareError } from '../../src/errors.js';

/** The smallest configuration: only what has no default. */
export const MINIMAL = `lake: lake
partition: p1
inputs:
  items: { path: items.parquet, id: id, columns: { title: name, genre: kind } }
  ratings: { path: ratings.parquet, user: u, item: i, value: v, time: t }
model: { path: model }
cohorts: { items: { columns: [genre] } }
`;

/** Calls `use` with a fresh folder and a writer of files in it; removes the folder afterwards. */
export function withFolder<T>(
  use: (folder: string, write: (text: string | Buffer, name?: string) => string) => T,
): T {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'dare-config-')));
  try {
    return use(folder, (text, name = 'dare.yaml') => {
      const file = join(folder, name);
      writeFileSync(file, text);
      return file;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The DareError that `act` throws; anything else, or nothing, fails the test. */
export function dareError(act: () => unknown): DareError {
  try {
    act();
  } catch (error) {
    if (error instanceof DareError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
