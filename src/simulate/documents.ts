import { createHash } from 'node:crypto';
import type { PoolText } from '../lake/pages.js';
import type { RecordedText } from '../lake/recorded-texts.js';
import type { TextModel } from '../text/tokenizer.js';
import type { Document } from './peers/peers.js';

/** A text of the pools, with its place in the sample. */
export interface PoolDocument extends Document {
  /** Decided by the content: the first so many in this order are a sample. */
  rank: string;
}

/** The tokens of a pool text as pools hold them, without what the chat template puts before and after. */
export function toDocument(
  { text, promptId, entityType, cohort }: PoolText,
  tokenizer: TextModel,
): PoolDocument {
  const rank = createHash('md5')
    .update(`${promptId ?? ''} ${text}`)
    .digest('hex');
  return { entityType, cohort, ids: tokenizer.encodeText(text), rank };
}

/** A sample of documents, in their order; smaller ones are parts of larger ones. */
export function sampleOf(documents: readonly PoolDocument[], size: number): readonly PoolDocument[] {
  const byRank = [...documents].sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0));
  const chosen = new Set(byRank.slice(0, size));
  return documents.filter((document) => chosen.has(document));
}

/** Whose texts and which texts pools were made of. */
export class PoolMembers {
  private readonly entities = new Set<string>();
  private readonly texts = new Set<string>();

  add({ entityType, entityId, text }: PoolText): void {
    if (entityId !== null) this.entities.add(JSON.stringify([entityType, entityId]));
    this.texts.add(text);
  }

  /** Whether a pool holds a text of the same user or item, or where that isn't known, the same text. */
  has({ entityType, entityId, text }: RecordedText): boolean {
    const known = entityId !== null && this.entities.size > 0;
    return known ? this.entities.has(JSON.stringify([entityType, entityId])) : this.texts.has(text);
  }
}
