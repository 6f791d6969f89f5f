import type { Field } from 'parquetjs-lite';
import { runError } from '../errors.js';

/** Why an answer ended: the model's end token, the limit of new tokens, or the model's context. */
export type FinishReason = 'stop' | 'length' | 'context';

/** One decoded text, or the reason why there is none. The README documents the columns. */
export interface TextRow {
  promptId: string;
  entityType: string | null;
  entityId: string | null;
  framework: string | null;
  cohort: string | null;
  text: string | null;
  /** Without the end token. */
  outputTokenIds: ArrayLike<number> | null;
  /** Mean final hidden state of the output tokens. */
  vector: ArrayLike<number> | null;
  finishReason: FinishReason | null;
  promptTokens: number | null;
  outputTokens: number | null;
  /** What the steps emitted: output tokens, an end token, the tokens of a stop string. */
  emittedTokens: number | null;
  decodeSteps: number | null;
  draftedTokens: number | null;
  acceptedTokens: number | null;
  relaxedTokens: number | null;
  /** Places of relaxed tokens in `outputTokenIds`, from 0. */
  relaxedPositions: ArrayLike<number> | null;
  /** Nats. */
  divergence: number | null;
  nearTies: number | null;
  poolVersion: string | null;
  round: number | null;
  error: string | null;
  /** Hash of all that decides the text; null with an error. */
  textKey: string | null;
  /** Whether the model's end token ended the text. Kept while the table is made. */
  ended: boolean | null;
  /** Whether the text was taken over from an earlier table. Kept while the table is made. */
  takenOver: boolean;
}

type Kind = 'text' | 'integer' | 'double' | 'flag' | 'integers' | 'floats';

/** The columns in order: name on disk, property of TextRow, type. sql/lake/texts-final.sql has those of the table. */
const columns: readonly (readonly [string, keyof TextRow, Kind])[] = [
  ['prompt_id', 'promptId', 'text'],
  ['entity_type', 'entityType', 'text'],
  ['entity_id', 'entityId', 'text'],
  ['framework', 'framework', 'text'],
  ['cohort', 'cohort', 'text'],
  ['text', 'text', 'text'],
  ['output_token_ids', 'outputTokenIds', 'integers'],
  ['vector', 'vector', 'floats'],
  ['finish_reason', 'finishReason', 'text'],
  ['prompt_tokens', 'promptTokens', 'integer'],
  ['output_tokens', 'outputTokens', 'integer'],
  ['emitted_tokens', 'emittedTokens', 'integer'],
  ['decode_steps', 'decodeSteps', 'integer'],
  ['drafted_tokens', 'draftedTokens', 'integer'],
  ['accepted_tokens', 'acceptedTokens', 'integer'],
  ['relaxed_tokens', 'relaxedTokens', 'integer'],
  ['relaxed_positions', 'relaxedPositions', 'integers'],
  ['divergence', 'divergence', 'double'],
  ['near_ties', 'nearTies', 'integer'],
  ['pool_version', 'poolVersion', 'text'],
  ['round', 'round', 'integer'],
  ['error', 'error', 'text'],
  ['text_key', 'textKey', 'text'],
  ['ended', 'ended', 'flag'],
  ['taken_over', 'takenOver', 'flag'],
];

/** The columns as parquetjs-lite takes them, without statistics. */
export function schemaOf(compression: 'SNAPPY' | 'GZIP'): Record<string, Field> {
  const leaf = (type: 'UTF8' | 'INT32' | 'FLOAT' | 'DOUBLE' | 'BOOLEAN'): Field => ({
    type,
    optional: true,
    compression,
    statistics: false,
  });
  const list = (type: 'INT32' | 'FLOAT'): Field => ({
    type: 'LIST',
    optional: true,
    fields: { list: { repeated: true, fields: { element: leaf(type) } } },
  });
  const fields: Record<Kind, () => Field> = {
    text: () => leaf('UTF8'),
    integer: () => leaf('INT32'),
    double: () => leaf('DOUBLE'),
    flag: () => leaf('BOOLEAN'),
    integers: () => list('INT32'),
    floats: () => list('FLOAT'),
  };
  return Object.fromEntries(columns.map(([name, , kind]) => [name, fields[kind]()]));
}

/** A row as `shredRow` takes it: by the names on disk, without nulls. @throws as `checkRow` does */
export function toRecord(row: TextRow): Record<string, unknown> {
  checkRow(row);
  const record: Record<string, unknown> = {};
  for (const [name, key] of columns) {
    const value = row[key];
    if (value !== null) record[name] = value;
  }
  return record;
}

/** @throws runError for a number that its column can't hold, NaN for one */
export function checkRow(row: TextRow): void {
  for (const [name, key, kind] of columns) {
    const isStorable = storable[kind];
    const value = row[key];
    if (isStorable === undefined || value === null) continue;
    const bad =
      typeof value === 'object' ? firstOther(value, isStorable) : firstOther([value as number], isStorable);
    if (bad !== undefined)
      throw runError(`prompt ${JSON.stringify(row.promptId)}: ${name} holds ${bad}, which can't be stored`);
  }
}

/** The first number of a list that isn't as is wanted. */
function firstOther(values: ArrayLike<number>, wanted: (value: number) => boolean): number | undefined {
  for (let i = 0; i < values.length; i++) if (!wanted(values[i] as number)) return values[i];
  return undefined;
}

/** Which numbers a column can hold; kinds without numbers are left out. */
const storable: Partial<Record<Kind, (value: number) => boolean>> = {
  integer: isInt32,
  integers: isInt32,
  double: Number.isFinite,
  // in 32 bits, in which it is stored
  floats: (value) => Number.isFinite(Math.fround(value)),
};

function isInt32(value: number): boolean {
  return (value | 0) === value;
}

/** About what a row takes on the disk, before compression. */
export function sizeOf(row: TextRow): number {
  const lists =
    (row.outputTokenIds?.length ?? 0) + (row.relaxedPositions?.length ?? 0) + (row.vector?.length ?? 0);
  return 128 + 4 * lists + 2 * (row.text?.length ?? 0);
}
