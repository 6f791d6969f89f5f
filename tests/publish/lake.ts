import { join } from 'node:path';
import { writeManifest } from '../../src/lake/manifest.js';
import type { StageContext } from '../../src/stage.js';
import { contextIn, writeFiles, writeTable } from '../prompts/fixture.js';

export const textColumns = {
  prompt_id: 'VARCHAR',
  entity_type: 'VARCHAR',
  entity_id: 'VARCHAR',
  framework: 'VARCHAR',
  cohort: 'VARCHAR',
  text: 'VARCHAR',
  vector: 'FLOAT[]',
  pool_version: 'VARCHAR',
  finish_reason: 'VARCHAR',
  error: 'VARCHAR',
};

export interface Text {
  framework: string;
  entity_type: string;
  entity_id: string;
  prompt_id?: string;
  text?: string;
  vector?: number[];
  pool_version?: string;
  finish_reason?: string;
  error?: string;
}

export interface TextLake {
  frameworks?: string[];
  /** Input files: items.csv (id, title), ratings.csv (who, id, stars, at) and, if it is there, users.csv (who). */
  files: Record<string, string>;
  /** The configuration's group. */
  publish?: unknown;
}

/** A lake with texts in partition p, and their manifest: ready to be published. */
export async function lakeWithTexts(
  folder: string,
  rows: readonly Text[],
  { files, frameworks = ['kar'], publish }: TextLake,
): Promise<StageContext> {
  writeFiles(folder, files);
  const inputs = {
    items: { path: join(folder, 'items.csv'), id: 'id', columns: { title: 'title' } },
    ...('users.csv' in files ? { users: { path: join(folder, 'users.csv'), id: 'who' } } : {}),
    ratings: { path: join(folder, 'ratings.csv'), user: 'who', item: 'id', value: 'stars', time: 'at' },
  };
  const context = contextIn(folder, { inputs, prompts: { frameworks }, publish });
  const withIds = rows.map((row) => ({
    prompt_id: `${row.framework}:${row.entity_type}:${row.entity_id}`,
    ...row,
  }));
  await writeTable(context.lake.file('texts', 'p'), textColumns, withIds);
  await writeManifest(context.lake.dir('texts', 'p'), { model: 'm"1', mode: 'greedy' });
  return context;
}
