import { join } from 'node:path';
import { listValue } from 'duckdb';
import type { ChatMessage } from '../text/chat.js';
import { listOfFiles } from './duck.js';
import { checkPromptColumns, checkRecordedColumns } from './page-columns.js';
import { type PageOptions, PageSession, readError } from './page-session.js';

/** A text that was written once, with what is known of how. Columns that the file lacks are null. */
export interface RecordedText {
  promptId: string | null;
  entityType: string | null;
  entityId: string | null;
  framework: string | null;
  cohort: string | null;
  text: string;
  prompt: string | null;
  /** A whole chat; goes before `prompt`. */
  messages: ChatMessage[] | null;
  /** `length` or `context`: the text was cut off. */
  finishReason: string | null;
  /** The tokens that the model gave, without the end token. */
  tokenIds: number[] | null;
  /** Of each token the second-best one and what it would have cost in nats; null where it wouldn't have passed. */
  secondIds: (number | null)[] | null;
  secondCosts: (number | null)[] | null;
}

export interface RecordedOptions extends PageOptions {
  /** Parquet with `prompt_id` and `prompt` or `messages`, for texts that lack theirs. */
  prompts?: string;
  /** At most so many texts: a sample that their content decides. All if left out. */
  limit?: number;
}

/**
 * Recorded texts in pages, in an order that their content decides.
 * @param files Parquet file or glob with `text` (VARCHAR) and any of the columns of RecordedText
 * @throws inputError for missing, truncated or foreign files, a missing or wrong column
 */
export async function* recordedTexts(
  files: string,
  options: RecordedOptions = {},
): AsyncGenerator<RecordedText[]> {
  const { prompts, limit } = options;
  const session = await PageSession.open(options);
  let read = files;
  try {
    checkRecordedColumns(files, await session.columns([files]));
    if (prompts === undefined) await session.duck.script('lake/recorded-no-prompts');
    else {
      read = prompts;
      checkPromptColumns(prompts, await session.columns([prompts]));
      await session.duck.script('lake/recorded-prompts', { params: { file: prompts } });
      read = files;
    }
    const sorted = join(session.folder, 'recorded.parquet');
    await session.duck.script('lake/recorded-sort', {
      params: { files: listValue([files]), sorted, most: limit ?? Number.MAX_SAFE_INTEGER },
      types: listOfFiles,
    });
    const [count] = await session.duck.scriptRows('lake/text-count', { params: { sorted } });
    yield* session.pages('lake/recorded-page', { sorted }, Number(count?.texts), toRecorded);
  } catch (error) {
    throw readError(error, read, session.folder);
  } finally {
    session.close();
  }
}

function toRecorded(row: Record<string, unknown>): RecordedText {
  return {
    promptId: row.prompt_id as string | null,
    entityType: row.entity_type as string | null,
    entityId: row.entity_id as string | null,
    framework: row.framework as string | null,
    cohort: row.cohort as string | null,
    text: row.text as string,
    prompt: row.prompt as string | null,
    messages: row.messages as ChatMessage[] | null,
    finishReason: row.finish_reason as string | null,
    tokenIds: row.output_token_ids as number[] | null,
    secondIds: row.second_ids as (number | null)[] | null,
    secondCosts: row.second_costs as (number | null)[] | null,
  };
}
