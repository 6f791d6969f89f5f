import { statSync } from 'node:fs';
import { join } from 'node:path';
import { listValue } from 'duckdb';
import { inputError } from '../errors.js';
import type { ChatMessage } from '../text/chat.js';
import { listOfFiles } from './duck.js';
import { checkPromptColumns, checkTextColumns } from './page-columns.js';
import { type Column, type PageOptions, PageSession, readError } from './page-session.js';

export type { PageOptions } from './page-session.js';

/** One prompt of a file. Columns that the file lacks are null. */
export interface PromptRow {
  /** Place in the file, from 0. */
  row: number;
  promptId: string;
  entityType: string | null;
  entityId: string | null;
  framework: string | null;
  cohort: string | null;
  /** Text of one user message. Null where the file has messages, or with a problem. */
  prompt: string | null;
  /** A whole chat. Null where the file has prompts, or with a problem. */
  messages: ChatMessage[] | null;
  /** Why this row can't be decoded (an empty prompt); the others can. */
  problem?: string;
}

/** One text for the pools. */
export interface PoolText {
  text: string;
  entityType: string | null;
  entityId: string | null;
  cohort: string | null;
  promptId: string | null;
}

/**
 * A Parquet file of prompts: `prompt_id` and either `prompt` (VARCHAR) or `messages` (a list of role and content),
 * optional `entity_type`, `entity_id`, `framework`, `cohort`. Checked when opened, read in pages: memory doesn't
 * grow with the number of rows.
 */
export class PromptFile {
  private constructor(
    private readonly session: PageSession,
    readonly file: string,
    /** Number of prompts. */
    readonly rows: number,
    /** Tokens of the longest one, where the file has the column prompt_tokens, as those of `dare prompts` do. */
    readonly longest: number | undefined,
    private readonly kind: 'prompt' | 'messages',
  ) {}

  /**
   * @throws inputError for a missing, truncated or foreign file, missing or wrong columns, null or duplicate ids
   */
  static async open(file: string, options: PageOptions = {}): Promise<PromptFile> {
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw inputError(`${file} is missing, or is no file`, 'Expected a Parquet file of prompts.');
    }
    const session = await PageSession.open(options);
    try {
      const columns = await session.columns([file]);
      const kind = checkPromptColumns(file, columns);
      const rows = await checkPromptIds(session, file);
      return new PromptFile(session, file, rows, await longestPrompt(session, file, columns), kind);
    } catch (error) {
      session.close();
      throw readError(error, file, session.folder);
    }
  }

  /** The rows in the file's order. */
  async *pages(): AsyncGenerator<PromptRow[]> {
    const { file, kind } = this;
    try {
      yield* this.session.pages('lake/prompt-page', { file }, this.rows, (row) => toPrompt(row, kind));
    } catch (error) {
      throw readError(error, file, this.session.folder);
    }
  }

  /** The ids alone, in the file's order: that reads a small part of it. */
  async *ids(): AsyncGenerator<string[]> {
    const { file } = this;
    try {
      yield* this.session.pages('lake/prompt-id-page', { file }, this.rows, (row) => row.prompt_id as string);
    } catch (error) {
      throw readError(error, file, this.session.folder);
    }
  }

  close(): void {
    this.session.close();
  }
}

/** The prompts of a file in pages: PromptFile, opened and closed. */
export async function* promptPages(file: string, options: PageOptions = {}): AsyncGenerator<PromptRow[]> {
  const prompts = await PromptFile.open(file, options);
  try {
    yield* prompts.pages();
  } finally {
    prompts.close();
  }
}

/**
 * The texts that pools are made of, in pages, ordered by entity type, cohort and prompt_id (then file and row), so
 * that the same texts make the same pools. They are sorted into a temporary file first.
 * @param files Parquet files or globs with `text` (VARCHAR), optional `entity_type`, `entity_id`, `cohort`,
 *   `prompt_id`, `error`; rows without a text or with an error are left out
 * @throws inputError for missing, truncated or foreign files, a missing or wrong column
 */
export async function* textPages(
  files: string | readonly string[],
  options: PageOptions = {},
): AsyncGenerator<PoolText[]> {
  const list = typeof files === 'string' ? [files] : [...files];
  if (list.length === 0) return;
  const names = list.join(', ');
  const session = await PageSession.open(options);
  try {
    checkTextColumns(names, await session.columns(list));
    const sorted = join(session.folder, 'texts.parquet');
    await session.duck.script('lake/text-sort', {
      params: { files: listValue(list), sorted },
      types: listOfFiles,
    });
    const [count] = await session.duck.scriptRows('lake/text-count', { params: { sorted } });
    yield* session.pages('lake/text-page', { sorted }, Number(count?.texts), toText);
  } catch (error) {
    throw readError(error, names, session.folder);
  } finally {
    session.close();
  }
}

async function checkPromptIds(session: PageSession, file: string): Promise<number> {
  const [counted] = await session.duck.scriptRows('lake/prompt-count', { params: { file } });
  const nullRow = counted?.null_row;
  if (nullRow !== null) {
    throw inputError(
      `${file}: prompt_id is null in row ${Number(nullRow) + 1}`,
      'Give every prompt an id of its own.',
    );
  }
  const [twice] = await session.duck.scriptRows('lake/prompt-duplicate', { params: { file } });
  if (twice !== undefined) {
    const rows = `rows ${Number(twice.first_row) + 1} and ${Number(twice.last_row) + 1}`;
    throw inputError(
      `${file}: the prompt_id ${JSON.stringify(twice.prompt_id)} stands in ${rows}`,
      'Give every prompt an id of its own.',
    );
  }
  return Number(counted?.prompts);
}

async function longestPrompt(
  session: PageSession,
  file: string,
  columns: readonly Column[],
): Promise<number | undefined> {
  const counted = columns.some(
    ({ name, type }) => name === 'prompt_tokens' && /^U?(INTEGER|BIGINT)$/.test(type),
  );
  if (!counted) return undefined;
  const [row] = await session.duck.scriptRows('lake/prompt-longest', { params: { file } });
  return (row?.longest as number | null) ?? undefined;
}

function toPrompt(row: Record<string, unknown>, kind: 'prompt' | 'messages'): PromptRow {
  const prompt = row.prompt as string | null;
  const messages = row.messages as { role: string | null; content: string | null }[] | null;
  const base = {
    row: Number(row.file_row_number),
    promptId: row.prompt_id as string,
    entityType: row.entity_type as string | null,
    entityId: row.entity_id as string | null,
    framework: row.framework as string | null,
    cohort: row.cohort as string | null,
  };
  const problem = kind === 'prompt' ? promptProblem(prompt) : chatProblem(messages);
  if (problem !== undefined) return { ...base, prompt: null, messages: null, problem };
  return { ...base, prompt, messages: messages as ChatMessage[] | null };
}

function promptProblem(prompt: string | null): string | undefined {
  if (prompt === null) return 'prompt is null';
  return prompt.trim() === '' ? 'prompt is empty' : undefined;
}

function chatProblem(messages: { role: string | null; content: string | null }[] | null): string | undefined {
  if (messages === null) return 'messages is null';
  if (messages.length === 0) return 'messages is empty';
  const broken = messages.findIndex(
    (message) => message === null || message.role === null || message.content === null,
  );
  return broken === -1 ? undefined : `message ${broken + 1} has no role or no content`;
}

function toText(row: Record<string, unknown>): PoolText {
  return {
    text: row.text as string,
    entityType: row.entity_type as string | null,
    entityId: row.entity_id as string | null,
    cohort: row.cohort as string | null,
    promptId: row.prompt_id as string | null,
  };
}
