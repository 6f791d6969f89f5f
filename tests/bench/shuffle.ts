/** Texts in which nothing matches: what speculation must not lose by. */
import { streamKey, uniform } from '../../src/decode/random.js';
import type { PromptRow } from '../../src/lake/pages.js';

/** The text's words in another order, decided by `key` (Fisher & Yates 1938). */
export function shuffledWords(text: string, key: string): string {
  const words = text.split(/\s+/);
  const stream = streamKey(0, key);
  for (let i = words.length - 1; i > 0; i--) {
    const other = Math.floor(uniform(stream, i) * (i + 1));
    [words[i], words[other]] = [words[other] as string, words[i] as string];
  }
  return words.join(' ');
}

/** A prompt of shuffled words; a chat keeps its roles. */
export function shuffledPrompt(row: PromptRow): PromptRow {
  const { promptId, prompt, messages } = row;
  return {
    ...row,
    prompt: prompt === null ? null : shuffledWords(prompt, promptId),
    messages:
      messages?.map((message, i) => ({
        ...message,
        content: shuffledWords(message.content, `${promptId} ${i}`),
      })) ?? null,
  };
}
