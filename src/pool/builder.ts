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

interface Group {
  entityType: string | null;
  cohort: string | null;
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

/** Collects texts as token ids and builds one pool per entity type and cohort, and one of all texts. */
export class PoolBuilder {
  private readonly groups = new Map<PoolKey, Group>();
  private readonly prefix: Int32Array;
  texts = 0;

  constructor(private readonly settings: PoolSettings) {
    const { generationPrompt, maxLength } = settings;
    this.prefix = generationPrompt.slice(Math.max(0, generationPrompt.length - (maxLength - 1)));
  }

  /** @param complete whether the text ended by itself: then drafts may predict its end */
  add(entityType: string | null, cohort: string | null, ids: ArrayLike<number>, complete: boolean): void {
    const { endToken } = this.settings;
    const end = complete && endToken !== undefined ? [endToken] : [];
    const document = new Int32Array(this.prefix.length + ids.length + end.length);
    document.set(this.prefix);
    document.set(ids, this.prefix.length);
    document.set(end, this.prefix.length + ids.length);
    const key = poolKey(entityType, cohort);
    const group = this.groups.get(key) ?? { entityType, cohort, documents: [] };
    group.documents.push(document);
    this.groups.set(key, group);
    this.texts++;
  }

  /** The pools, ordered by entity type and cohort, the shared one first; none when there are no texts. */
  *build(): Generator<BuiltPool> {
    if (this.texts === 0) return;
    const groups = [...this.groups.values()].filter(({ cohort }) => cohort !== null).sort(byName);
    const everything = [...this.groups.values()].flatMap(({ documents }) => documents);
    yield this.buildOne(sharedKey, { entityType: null, cohort: null, documents: everything });
    for (const group of groups) yield this.buildOne(poolKey(group.entityType, group.cohort), group);
  }

  private buildOne(key: PoolKey, { entityType, cohort, documents }: Group): BuiltPool {
    const { tokenizer, maxLength } = this.settings;
    const columns = buildTrie(documents, maxLength);
    const tokens = documents.reduce((sum, document) => sum + document.length, 0);
    const source = { tokenizer, entityType, cohort, maxLength, documents: documents.length, tokens };
    return { key, ...encodePool(columns, source) };
  }
}

function byName(a: Group, b: Group): number {
  const left = `${a.entityType ?? ''}\0${a.cohort}`;
  const right = `${b.entityType ?? ''}\0${b.cohort}`;
  return left < right ? -1 : left > right ? 1 : 0;
}
