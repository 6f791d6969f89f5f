import { listValue, VARCHAR } from 'duckdb';
import { inputError, messageOf } from '../errors.js';
import { ChunkAppender } from '../lake/chunk-appender.js';
import { listOfFiles } from '../lake/duck.js';
import type { KeptRows } from '../lake/kept-rows.js';
import { PageSession } from '../lake/page-session.js';
import type { PromptRow } from '../lake/pages.js';
import { runBytes } from '../lake/sort.js';

/** What is looked for, and where. */
export interface KnownTexts {
  /** Prompts that are to be decoded, in pages. */
  prompts: AsyncIterable<PromptRow[]>;
  /** What decides the text of a prompt: `textKey`. */
  keyOf: (prompt: PromptRow) => string;
  /** Tables of texts; the first that has a text counts. */
  earlier: readonly string[];
  signal: AbortSignal;
}

export interface TakeOverJob extends KnownTexts {
  /** Whether a text that ended may have been ended by the model: not where there are stop strings. */
  mayEnd: boolean;
  rows: KeptRows;
  /** Size of a part, about. */
  partBytes?: number;
}

/** Prompts of one entity type and framework whose texts are known. */
export interface KnownCount {
  entityType: string | null;
  framework: string | null;
  known: number;
}

/**
 * Keeps the texts of earlier tables that the prompts would get, as if they had been decoded. All is done in DuckDB, part
 * by part: memory doesn't grow with their number. Returns how many there were.
 * @throws inputError when a table can't be read
 */
export async function takeOver(job: TakeOverJob): Promise<number> {
  const { earlier, rows, mayEnd, partBytes = runBytes, signal } = job;
  const session = await PageSession.open({});
  const { duck } = session;
  let taken = 0;
  try {
    if ((await addKeys(session, job)) === 0) return 0;
    const files = listValue([...earlier]);
    const [size] = await duck.scriptRows('lake/text-bytes', { params: { files }, types: listOfFiles });
    const params = { files, rows: Math.max(1, Math.floor(partBytes / Math.max(1, Number(size?.bytes)))) };
    for (const range of await duck.scriptRows('lake/known-texts', { params, types: listOfFiles })) {
      signal.throwIfAborted();
      const { file, chunk, first, last } = range as {
        file: number;
        chunk: number;
        first: bigint;
        last: bigint;
      };
      const path = earlier[file - 1] as string;
      taken += await rows.addPart(async (part) => {
        const more = { path, file, chunk, first, last, may_end: mayEnd, part };
        return (await duck.script('lake/take-over', { params: more })).rowsChanged;
      });
    }
    return taken;
  } catch (error) {
    throw readFailure(error, earlier);
  } finally {
    session.close();
  }
}

/** How many texts `takeOver` would keep, by kind. @throws inputError when a table can't be read */
export async function countKnown(job: KnownTexts): Promise<KnownCount[]> {
  const session = await PageSession.open({});
  const { duck } = session;
  try {
    await addKeys(session, job);
    const params = { files: listValue([...job.earlier]), rows: Number.MAX_SAFE_INTEGER };
    await duck.script('lake/known-texts', { params, types: listOfFiles });
    const counts = await duck.scriptRows('lake/known-counts');
    return counts.map(({ entity_type: entityType, framework, known }) => {
      return { entityType, framework, known } as KnownCount;
    });
  } catch (error) {
    throw readFailure(error, job.earlier);
  } finally {
    session.close();
  }
}

/** Makes and fills the table `prompt_keys`; returns its rows. */
async function addKeys({ duck }: PageSession, { prompts, keyOf, signal }: KnownTexts): Promise<number> {
  await duck.script('lake/prompt-keys');
  const appender = await ChunkAppender.open(duck, 'prompt_keys', new Array(6).fill(VARCHAR));
  let count = 0;
  for await (const page of prompts) {
    signal.throwIfAborted();
    for (const prompt of page) {
      const { promptId, entityType, entityId, framework, cohort } = prompt;
      appender.append([promptId, entityType, entityId, framework, cohort, keyOf(prompt)]);
    }
    count += page.length;
  }
  appender.close();
  return count;
}

function readFailure(error: unknown, files: readonly string[]): unknown {
  if (error instanceof Error && error.name === 'DareError') return error;
  const [message = ''] = messageOf(error).split('\n');
  const named = files.find((file) => message.includes(file)) ?? files.join(', ');
  return inputError(
    `the earlier texts ${named} can't be read: ${message}`,
    'Restore or remove that table, or set decode.reuse to off.',
    error,
  );
}
