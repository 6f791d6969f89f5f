import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIST, listValue, VARCHAR } from 'duckdb';
import { DareError, inputError, messageOf, runError } from '../errors.js';
import type { ChatMessage } from '../text/chat.js';
import { Duck } from './duck.js';
import { fileError } from './lake.js';

export interface PageOptions {
  /** Rows a page: all of a page is in memory at once. */
  pageSize?: number;
  /** DuckDB's limit while checking and sorting, for example '1GB'; beyond it data is spilled. */
  memoryLimit?: string;
  threads?: number;
  /** Folder for spilled data; the system's temporary folder when left out. */
  temporary?: string;
}

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
    private readonly session: Session,
    readonly file: string,
    /** Number of prompts. */
    readonly rows: number,
    private readonly kind: 'prompt' | 'messages',
  ) {}

  /**
   * @throws inputError for a missing, truncated or foreign file, missing or wrong columns, null or duplicate ids
   */
  static async open(file: string, options: PageOptions = {}): Promise<PromptFile> {
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw inputError(`${file} is missing, or is no file`, 'Expected a Parquet file of prompts.');
    }
    const session = await Session.open(options);
    try {
      const kind = checkPromptColumns(file, await session.columns([file]));
      const rows = await checkPromptIds(session, file);
      return new PromptFile(session, file, rows, kind);
    } catch (error) {
      session.close();
      throw readError(error, file);
    }
  }

  /** The rows in the file's order. */
  async *pages(): AsyncGenerator<PromptRow[]> {
    const { file, kind } = this;
    try {
      yield* this.session.pages('lake/prompt-page', { file }, this.rows, (row) => toPrompt(row, kind));
    } catch (error) {
      throw readError(error, file);
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
  const session = await Session.open(options);
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
    throw readError(error, names);
  } finally {
    session.close();
  }
}

interface Column {
  name: string;
  type: string;
}

const listOfFiles = { files: LIST(VARCHAR) };

/** A DuckDB connection of its own with a folder for what it spills, both gone when closed. */
class Session {
  private constructor(
    readonly duck: Duck,
    readonly folder: string,
    private readonly pageSize: number,
  ) {}

  static async open(options: PageOptions): Promise<Session> {
    const folder = makeTemporary(options.temporary ?? tmpdir());
    const duck = await Duck.open({
      threads: options.threads ?? 2,
      memoryLimit: options.memoryLimit ?? '1GB',
      tempDirectory: folder,
    });
    return new Session(duck, folder, options.pageSize ?? 1024);
  }

  async columns(files: string[]): Promise<Column[]> {
    const rows = await this.duck.scriptRows('lake/columns', {
      params: { files: listValue(files) },
      types: listOfFiles,
    });
    return rows.map((row) => ({
      name: String(row.column_name).toLowerCase(),
      type: String(row.column_type),
    }));
  }

  /** Pages through `rows` rows by their number, a query a page: a stream would end early without an error. */
  async *pages<Row>(
    script: string,
    params: Record<string, string>,
    rows: number,
    convert: (row: Record<string, unknown>) => Row,
  ): AsyncGenerator<Row[]> {
    for (let start = 0; start < rows; start += this.pageSize) {
      const stop = Math.min(start + this.pageSize, rows);
      const page = await this.duck.scriptRows(script, { params: { ...params, start, stop } });
      if (page.length !== stop - start) {
        throw runError(
          `${Object.values(params).join(', ')}: ${page.length} rows were read where ${stop - start} were expected (rows ${start + 1} to ${stop})`,
          'The file seems to have changed while it was read: run the stage again.',
        );
      }
      yield page.map(convert);
    }
  }

  close(): void {
    this.duck.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function makeTemporary(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'dare-'));
  } catch (error) {
    throw fileError(error, 'a folder for temporary data could not be made', parent);
  }
}

const plainTypes =
  /^(VARCHAR|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|UUID|DATE|BOOLEAN|ENUM\(.*\)|DECIMAL\(\d+,0\))$/s;
const chatType = /^STRUCT\((?=.*"?\brole"? VARCHAR)(?=.*"?\bcontent"? VARCHAR).*\)\[\]$/s;

function checkPromptColumns(file: string, columns: Column[]): 'prompt' | 'messages' {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const found = `found: ${columns.map(({ name }) => name).join(', ') || 'none'}`;
  if (!types.has('prompt_id')) throw inputError(`${file} has no column prompt_id (${found})`, promptHint);
  const kinds = (['prompt', 'messages'] as const).filter((name) => types.has(name));
  const [kind] = kinds;
  if (kind === undefined)
    throw inputError(`${file} has neither a column prompt nor messages (${found})`, promptHint);
  if (kinds.length === 2)
    throw inputError(`${file} has both columns prompt and messages`, `Leave one out. ${promptHint}`);
  for (const name of ['prompt_id', 'entity_type', 'entity_id', 'framework', 'cohort']) {
    checkType(file, name, types.get(name), plainTypes, 'text or a whole number');
  }
  if (kind === 'prompt') checkType(file, kind, types.get(kind), /^VARCHAR$/, 'VARCHAR (UTF-8 text)');
  else checkType(file, kind, types.get(kind), chatType, 'a LIST of STRUCT(role VARCHAR, content VARCHAR)');
  return kind;
}

const promptHint =
  'Expected prompt_id and either prompt (text) or messages (a list of role and content), optional entity_type, entity_id, framework, cohort.';

function checkTextColumns(files: string, columns: Column[]): void {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  if (!types.has('text')) {
    throw inputError(
      `${files} has no column text (found: ${columns.map(({ name }) => name).join(', ') || 'none'})`,
      'Expected text, optional entity_type, entity_id, cohort, prompt_id, error.',
    );
  }
  checkType(files, 'text', types.get('text'), /^VARCHAR$/, 'VARCHAR (UTF-8 text)');
  for (const name of ['entity_type', 'entity_id', 'cohort', 'prompt_id', 'error']) {
    checkType(files, name, types.get(name), plainTypes, 'text or a whole number');
  }
}

function checkType(
  file: string,
  name: string,
  type: string | undefined,
  wanted: RegExp,
  words: string,
): void {
  if (type === undefined || wanted.test(type)) return;
  throw inputError(`${file}: the column ${name} is ${type}, expected ${words}`);
}

async function checkPromptIds(session: Session, file: string): Promise<number> {
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

/** DuckDB's error while reading as one of ours: the disk's and the memory's faults are no faults of the input. */
function readError(error: unknown, file: string): DareError {
  if (error instanceof DareError) return error;
  const [message = ''] = messageOf(error).split('\n');
  if (/No space left|Disk quota|Permission denied|Read-only/.test(message)) {
    return fileError(error, 'reading failed', file);
  }
  if (/Out of Memory/i.test(message)) {
    return runError(`${file}: reading it took more memory than allowed: ${message}`, undefined, error);
  }
  if (/No files found/.test(message)) return inputError(`${file}: there is no such file`, undefined, error);
  return inputError(
    `${file} can't be read as Parquet: ${message}`,
    'Is it cut off, or of another format?',
    error,
  );
}
