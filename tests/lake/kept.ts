import { errorRow } from '../../src/decode/row.js';
import type { TextRow } from '../../src/lake/writer.js';

/** A row that counts 138 bytes and its prompt_id. */
export function rowOf(promptId: string): TextRow {
  const prompt = { row: 0, promptId, entityType: null, entityId: null, framework: null, cohort: null };
  const source = { poolVersion: null, round: 0 };
  return { ...errorRow({ ...prompt, prompt: null, messages: null }, null, '', source), text: 'a' };
}
