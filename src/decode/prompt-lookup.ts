/** Prompts of texts that pools are made of: what chances of drafts are worth depends on them. */
import { tmpdir } from 'node:os';
import { LIST, listValue, VARCHAR } from 'duckdb';
import { Duck } from '../lake/duck.js';
import { readError } from '../lake/page-session.js';
import type { PromptLookup } from '../pool/builder.js';
import type { ChatMessage } from '../text/chat.js';
import type { TextModel } from '../text/tokenizer.js';
import { promptIds } from './row.js';

/**
 * Looks prompts up by their ids, as the model's tokens.
 * @param files of prompts, as `dare prompts` writes them; of a prompt in several of them that of the last one counts
 * @throws inputError or runError, from what is returned, for a file that can't be read
 */
export function promptLookup(tokenizer: TextModel, files: readonly string[]): PromptLookup {
  return async (ids) => {
    const found = new Map<string, Int32Array>();
    if (files.length === 0 || ids.length === 0) return found;
    const duck = await Duck.open({ threads: 2 });
    try {
      const rows = await duck.scriptRows('lake/prompts-of', {
        params: { files: listValue([...files]), ids: listValue([...ids]) },
        types: { files: LIST(VARCHAR), ids: LIST(VARCHAR) },
      });
      for (const { prompt_id: id, prompt, messages } of rows) {
        const chat = { prompt: prompt as string | null, messages: messages as ChatMessage[] | null };
        if (chat.prompt !== null || chat.messages !== null)
          found.set(id as string, promptIds(tokenizer, chat));
      }
    } catch (error) {
      throw readError(error, files.join(', '), tmpdir());
    } finally {
      duck.close();
    }
    return found;
  };
}
