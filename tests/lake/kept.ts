import { errorRow } from '../../src/decode/row.js';
import { Duck } from '../../src/lake/duck.js';
import type { TextRow } from '../../src/lake/writer.js';

/** A row that counts 138 bytes and its prompt_id. */
export function rowOf(promptId: string): TextRow {
  const prompt = { row: 0, promptId, entityType: null, entityId: null, framework: null, cohort: null };
  const source = { poolVersion: null, round: 0 };
  return { ...errorRow({ ...prompt, prompt: null, messages: null }, null, '', source), text: 'a' };
}

/** The ids of a part's rows, in its order. */
export async function idsOf(file: string): Promise<unknown[]> {
  const duck = await Duck.open();
  try {
    const rows = await duck.rows('select prompt_id from read_parquet($file)', { file });
    return rows.map((row) => row.prompt_id);
  } finally {
    duck.close();
  }
}

export const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `k${from + i}`);
