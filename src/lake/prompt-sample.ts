import { statSync } from 'node:fs';
import { inputError } from '../errors.js';
import type { ChatMessage } from '../text/chat.js';
import { checkPromptColumns } from './page-columns.js';
import { PageSession, readError } from './page-session.js';

/** Prompts of one entity type and framework, which files may lack. */
export interface PromptGroup {
  entityType: string | null;
  framework: string | null;
  prompts: number;
}

/** A prompt as a chat, if it can be decoded. */
export interface SampledPrompt {
  entityType: string | null;
  framework: string | null;
  messages: ChatMessage[];
}

/**
 * Counts the prompts of a file, and reads some of each kind, chosen by their ids.
 * @throws inputError for a missing, truncated or foreign file, missing or wrong columns
 */
export async function samplePrompts(
  file: string,
  most: number,
): Promise<{ groups: PromptGroup[]; sample: SampledPrompt[] }> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw inputError(`${file} is missing, or is no file`, 'Expected a Parquet file of prompts.');
  const session = await PageSession.open({});
  try {
    checkPromptColumns(file, await session.columns([file]));
    const groups = await session.duck.scriptRows('lake/prompt-groups', { params: { file } });
    const sample = await session.duck.scriptRows('lake/prompt-sample', { params: { file, most } });
    return { groups: groups.map(toGroup), sample: sample.flatMap(toSampled) };
  } catch (error) {
    throw readError(error, file, session.folder);
  } finally {
    session.close();
  }
}

function toGroup(row: Record<string, unknown>): PromptGroup {
  const { entity_type: entityType, framework } = row as Record<string, string | null>;
  return { entityType: entityType ?? null, framework: framework ?? null, prompts: Number(row.prompts) };
}

/** None of a prompt that decoding would refuse. */
function toSampled(row: Record<string, unknown>): SampledPrompt[] {
  const { entityType, framework } = toGroup(row);
  const prompt = row.prompt as string | null;
  const chat = row.messages as ({ role: string | null; content: string | null } | null)[] | null;
  const messages = chat ?? (prompt === null ? [] : [{ role: 'user', content: prompt }]);
  const whole = messages.filter((message): message is ChatMessage => {
    return message !== null && message.role !== null && message.content !== null;
  });
  if (whole.length === 0 || whole.length < messages.length) return [];
  return [{ entityType, framework, messages: whole }];
}
