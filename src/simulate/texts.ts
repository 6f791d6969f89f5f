import { inputError } from '../errors.js';
import { type RecordedOptions, type RecordedText, recordedTexts } from '../lake/recorded-texts.js';
import type { ChatMessage } from '../text/chat.js';
import type { TextModel } from '../text/tokenizer.js';
import type { ReplayText, SecondChoices } from './replay.js';

/** Reads recorded texts for a replay. @throws inputError as recordedTexts, and for tokens that aren't the tokenizer's */
export async function readReplayTexts(
  files: string,
  tokenizer: TextModel,
  options: RecordedOptions & { signal: AbortSignal; read: (texts: number) => void },
): Promise<{ texts: ReplayText[]; recorded: RecordedText[] }> {
  const texts: ReplayText[] = [];
  const recorded: RecordedText[] = [];
  for await (const page of recordedTexts(files, options)) {
    options.signal.throwIfAborted();
    for (const row of page) {
      texts.push(toReplayText(row, tokenizer, files));
      recorded.push(row);
    }
    options.read(page.length);
  }
  if (texts.length === 0)
    throw inputError(`${files} holds no texts`, 'Expected rows with a text and no error.');
  return { texts, recorded };
}

/**
 * A recorded text as the decode loop would have met it. Without a prompt, the chat template's own text stands before it;
 * without a template, its first token.
 */
export function toReplayText(row: RecordedText, tokenizer: TextModel, files: string): ReplayText {
  const where = `${files}: the text of ${row.promptId === null ? 'one row' : `the prompt ${JSON.stringify(row.promptId)}`}`;
  const ids = row.tokenIds === null ? tokenizer.encodeText(row.text) : Int32Array.from(row.tokenIds);
  const foreign = ids.find((id) => id < 0 || id >= tokenizer.vocabularySize);
  if (foreign !== undefined) {
    throw inputError(
      `${where} has the token ${foreign} in output_token_ids, the tokenizer has ${tokenizer.vocabularySize}`,
      "Give the tokenizer of the texts' model, or leave output_token_ids out.",
    );
  }
  const endToken = tokenizer.answerEnd;
  const cut = row.finishReason === 'length' || row.finishReason === 'context';
  const answer = cut || endToken === undefined ? ids : withEnd(ids, endToken);
  const second = secondChoices(row, answer.length, ids.length, where);
  const prompt = promptOf(row, tokenizer, where);
  const context = { entityType: row.entityType, cohort: row.cohort, framework: row.framework };
  if (prompt.length > 0)
    return { ...context, promptIds: prompt, answerIds: answer, ...(second === undefined ? {} : { second }) };
  return {
    ...context,
    promptIds: answer.slice(0, 1),
    answerIds: answer.slice(1),
    ...(second === undefined ? {} : { second: { ids: second.ids.slice(1), costs: second.costs.slice(1) } }),
  };
}

/** Not by spreading: a long text would fill the stack. */
function withEnd(ids: Int32Array, endToken: number): Int32Array {
  const all = new Int32Array(ids.length + 1);
  all.set(ids);
  all[ids.length] = endToken;
  return all;
}

function promptOf({ prompt, messages }: RecordedText, tokenizer: TextModel, where: string): Int32Array {
  if (messages === null || messages.length === 0)
    return prompt === null ? tokenizer.generationPrompt : tokenizer.encodePrompt(prompt);
  // a list of structs can hold nulls anywhere
  if (
    messages.some(
      (message: ChatMessage | null) => message === null || message.role === null || message.content === null,
    )
  )
    throw inputError(`${where} has a message without role or content`);
  return tokenizer.encodeChat(messages);
}

/** @param length tokens of the answer; the lists may leave out its end token */
function secondChoices(
  { secondIds, secondCosts }: RecordedText,
  length: number,
  withoutEnd: number,
  where: string,
): SecondChoices | undefined {
  if (secondIds === null && secondCosts === null) return undefined;
  const [ids, costs] = [secondIds ?? [], secondCosts ?? []];
  if (ids.length !== costs.length || (ids.length !== length && ids.length !== withoutEnd)) {
    throw inputError(
      `${where} has ${withoutEnd} tokens, but ${ids.length} second_ids and ${costs.length} second_costs`,
      'Expected one of each for every token, the end token may be left out. Give output_token_ids too where encoding the text gives other tokens than the model did.',
    );
  }
  const second = { ids: new Int32Array(length).fill(-1), costs: new Float32Array(length) };
  ids.forEach((id, i) => {
    const cost = costs[i] ?? null;
    if (id === null || cost === null) return;
    if (!(cost >= 0 && Number.isFinite(cost)))
      throw inputError(`${where} has ${cost} in second_costs, expected nats from 0`);
    second.ids[i] = id;
    second.costs[i] = cost;
  });
  return second;
}
