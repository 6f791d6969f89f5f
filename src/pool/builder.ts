import { buildTrie } from './build.js';
import { encodePool, type PoolMetadata } from './file.js';

/** Identifies the pool of a cohort; '' is the pool that all share. */
export type PoolKey = string;
export const sharedKey: PoolKey = '';

export function poolKey(entityType: string | null, cohort: string | null): PoolKey {
  return cohort === null ? sharedKey : JSON.stringify([entityType, cohort]);
}

export interface BuiltPool {
  key: PoolKey;
  bytes: SharedArrayBuffer;
  metadata: PoolMetadata;
}

/** What a pool is of: both null for the one that all share. */
export interface PoolOwner {
  entityType: string | null;
  cohort: string | null;
}

export const everybody: PoolOwner = { entityType: null, cohort: null };

interface Group extends PoolOwner {
  documents: Int32Array[];
}

/** Longest n-gram of pools where the configuration doesn't say. */
export const defaultMaxLength = 6;

/** What the pools of one model have in common. */
export interface PoolSettings {
  /** Fingerprint of the tokenizer. */
  tokenizer: string;
  /** Longest n-gram, in tokens. */
  maxLength: number;
  /** What the chat template puts before an answer: its end is the context of an answer's first tokens. */
  generationPrompt: Int32Array;
  endToken: number | undefined;
}

/** The part of a tokenizer that pools depend on. */
export interface PoolTokenizer {
  fingerprint: string;
  generationPrompt: Int32Array;
  endTokens: ReadonlySet<number>;
}

/** Settings of pools for a model's tokenizer. */
export function poolSettings(tokenizer: PoolTokenizer, maxLength: number): PoolSettings {
  const { fingerprint, generationPrompt, endTokens } = tokenizer;
  return { tokenizer: fingerprint, maxLength, generationPrompt, endToken: [...endTokens][0] };
}

/**
 * A text as it stands in pools: the end of what precedes an answer, as context of its first tokens, then the text, then
 * the end token.
 * @param complete whether the text ended by itself: then drafts may predict its end
 */
export function documentOf(settings: PoolSettings, ids: ArrayLike<number>, complete: boolean): Int32Array {
  const { generationPrompt, maxLength, endToken } = settings;
  const prefix = generationPrompt.slice(Math.max(0, generationPrompt.length - (maxLength - 1)));
  const end = complete && endToken !== undefined ? [endToken] : [];
  const document = new Int32Array(prefix.length + ids.length + end.length);
  document.set(prefix);
  document.set(ids, prefix.length);
  document.set(end, prefix.length + ids.length);
  return document;
}

/** One pool of documents that `documentOf` made. Their order doesn't matter. */
export function buildPool(
  settings: PoolSettings,
  { entityType, cohort }: PoolOwner,
  documents: readonly Int32Array[],
): BuiltPool {
  const { tokenizer, maxLength } = settings;
  const columns = buildTrie(documents, maxLength);
  const tokens = documents.reduce((sum, document) => sum + document.length, 0);
  const source = { tokenizer, entityType, cohort, maxLength, documents: documents.length, tokens };
  return { key: poolKey(entityType, cohort), ...encodePool(columns, source) };
}

/** Collects texts as token ids and builds one pool per entity type and cohort, and one of all texts. */
export class PoolBuilder {
  private readonly groups = new Map<PoolKey, Group>();
  texts = 0;

  constructor(private readonly settings: PoolSettings) {}

  /** @param complete whether the text ended by itself */
  add(entityType: string | null, cohort: string | null, ids: ArrayLike<number>, complete: boolean): void {
    const key = poolKey(entityType, cohort);
    const group = this.groups.get(key) ?? { entityType, cohort, documents: [] };
    group.documents.push(documentOf(this.settings, ids, complete));
    this.groups.set(key, group);
    this.texts++;
  }

  /** The pools, ordered by entity type and cohort, the shared one first; none when there are no texts. */
  *build(): Generator<BuiltPool> {
    if (this.texts === 0) return;
    const groups = [...this.groups.values()].filter(({ cohort }) => cohort !== null).sort(byName);
    const everything = [...this.groups.values()].flatMap(({ documents }) => documents);
    yield buildPool(this.settings, everybody, everything);
    for (const group of groups) yield buildPool(this.settings, group, group.documents);
  }
}

/** The shared pool first, then by entity type and cohort. */
export function byName(a: PoolOwner, b: PoolOwner): number {
  const [left, right] = [nameOf(a), nameOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function nameOf({ entityType, cohort }: PoolOwner): string {
  return cohort === null ? '' : `${entityType ?? ''}\0${cohort}`;
}
