/** The prompts of a benchmark, and pools from texts of other entities. */
import { choosePrompts } from '../../src/decode/prompt-choice.js';
import { promptIds } from '../../src/decode/row.js';
import { calibrate } from '../../src/draft/calibrate.js';
import { type PromptRow, promptPages, textPages } from '../../src/lake/pages.js';
import { type KnownPrompts, PoolBuilder, type PoolKey } from '../../src/pool/builder.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { shuffledPrompt, shuffledWords } from './shuffle.js';

/** As pools.maxLength of the configuration. */
const maxLength = 6;

/** The `limit` prompts of each entity type with the lowest hashes of their ids. @throws inputError when there are none */
export async function chooseBenchPrompts(file: string, limit: number): Promise<PromptRow[]> {
  return (await choosePrompts(file, limit, ({ promptId }) => `bench ${promptId}`)).prompts;
}

export interface HeldOutPools {
  bytes: Map<PoolKey, SharedArrayBuffer>;
  /** Texts in the pools. */
  texts: number;
  /** Texts left out, because their prompt or entity is among the prompts. */
  dropped: number;
}

/**
 * Pools of the texts whose prompt and entity are both not among the prompts.
 * @param promptFile has the prompts that the texts answer, as far as they are known
 * @param shuffle of texts' and prompts' words in other orders
 */
export async function heldOutPools(
  file: string,
  prompts: readonly PromptRow[],
  tokenizer: TextModel,
  promptFile: string,
  shuffle = false,
): Promise<HeldOutPools> {
  const { fingerprint, generationPrompt, endTokens } = tokenizer;
  const endToken = [...endTokens][0];
  const builder = new PoolBuilder(
    { tokenizer: fingerprint, maxLength, generationPrompt, endToken },
    calibrate,
  );
  const ids = new Set(prompts.map(({ promptId }) => promptId));
  const entities = new Set(
    prompts.filter(({ entityId }) => entityId !== null).map((prompt) => entityKey(prompt)),
  );
  let dropped = 0;
  for await (const page of textPages(file)) {
    for (const text of page) {
      if ((text.promptId !== null && ids.has(text.promptId)) || entities.has(entityKey(text))) dropped++;
      else {
        const words = shuffle ? shuffledWords(text.text, text.text) : text.text;
        builder.add(text.entityType, text.cohort, tokenizer.encodeText(words), true, text.promptId);
      }
    }
  }
  const known = await promptsOf(promptFile, tokenizer, shuffle);
  const bytes = new Map([...builder.build(known)].map((pool) => [pool.key, pool.bytes]));
  return { bytes, texts: builder.texts, dropped };
}

/** The prompts of a file, each tokenised when it is asked for. */
async function promptsOf(file: string, tokenizer: TextModel, shuffle: boolean): Promise<KnownPrompts> {
  const rows = new Map<string, PromptRow>();
  for await (const page of promptPages(file)) for (const row of page) rows.set(row.promptId, row);
  return {
    get: (id) => {
      const row = rows.get(id);
      return row && promptIds(tokenizer, shuffle ? shuffledPrompt(row) : row);
    },
  };
}

function entityKey({ entityType, entityId }: { entityType: string | null; entityId: string | null }): string {
  return JSON.stringify([entityType, entityId]);
}
