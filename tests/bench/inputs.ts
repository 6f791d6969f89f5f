/** The prompts of a benchmark, and pools from texts of other entities. */
import { hashShare } from '../../src/decode/rounds.js';
import { inputError } from '../../src/errors.js';
import { type PromptRow, promptPages, textPages } from '../../src/lake/pages.js';
import { PoolBuilder, type PoolKey } from '../../src/pool/builder.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { shuffledWords } from './shuffle.js';

/** As pools.maxLength of the configuration. */
const maxLength = 6;

/**
 * The `limit` prompts of each entity type with the lowest hashes of their ids, ordered by entity type and hash: a
 * choice that doesn't depend on the file's order.
 * @throws inputError when the file holds no prompt that can be decoded
 */
export async function choosePrompts(file: string, limit: number): Promise<PromptRow[]> {
  const chosen = new Map<string | null, { prompt: PromptRow; place: number }[]>();
  for await (const page of promptPages(file)) {
    for (const prompt of page) {
      if (prompt.problem !== undefined) continue;
      const group = chosen.get(prompt.entityType) ?? [];
      group.push({ prompt, place: hashShare(`bench ${prompt.promptId}`) });
      chosen.set(prompt.entityType, group);
    }
    for (const group of chosen.values()) {
      group.sort((a, b) => a.place - b.place);
      group.length = Math.min(group.length, limit);
    }
  }
  if (chosen.size === 0) throw inputError(`${file} holds no prompts`, 'Expected at least one.');
  const types = [...chosen.keys()].sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1));
  return types.flatMap((type) => (chosen.get(type) ?? []).map(({ prompt }) => prompt));
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
 * @param shuffle of their words in other orders
 */
export async function heldOutPools(
  file: string,
  prompts: readonly PromptRow[],
  tokenizer: TextModel,
  shuffle = false,
): Promise<HeldOutPools> {
  const { fingerprint, generationPrompt, endTokens } = tokenizer;
  const endToken = [...endTokens][0];
  const builder = new PoolBuilder({ tokenizer: fingerprint, maxLength, generationPrompt, endToken });
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
        builder.add(text.entityType, text.cohort, tokenizer.encodeText(words), true);
      }
    }
  }
  const bytes = new Map([...builder.build()].map((pool) => [pool.key, pool.bytes]));
  return { bytes, texts: builder.texts, dropped };
}

function entityKey({ entityType, entityId }: { entityType: string | null; entityId: string | null }): string {
  return JSON.stringify([entityType, entityId]);
}
