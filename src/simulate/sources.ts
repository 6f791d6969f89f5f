import { Drafter, type DraftPools } from '../draft/drafter.js';
import { type BuiltPool, type PoolKey, poolKey, sharedKey } from '../pool/builder.js';
import { openPool } from '../pool/file.js';
import type { Pool } from '../pool/trie.js';
import type { ReplayDrafter, ReplayText } from './replay.js';

/**
 * What is drafted from. All but `none` draft from the prompt and the output so far, as decoding does; `shared` adds the
 * pool of all texts, `cohort` the pool of the text's cohort, `mixed` both: what decoding does.
 */
export const sources = ['none', 'prompt', 'shared', 'cohort', 'mixed'] as const;
export type Source = (typeof sources)[number];

/** Opens pools that were just built. */
export function openPools(built: Iterable<Pick<BuiltPool, 'key' | 'bytes'>>): Map<PoolKey, Pool> {
  return new Map([...built].map(({ key, bytes }) => [key, openPool(bytes, 'A pool').pool]));
}

/** The project's own drafter, given the pools of one source. */
export class SourceDrafter implements ReplayDrafter {
  constructor(
    private readonly drafter: Drafter,
    private readonly pools: ReadonlyMap<PoolKey, Pool>,
    private readonly source: Source,
  ) {}

  begin(text: ReplayText): void {
    this.drafter.begin(this.poolsOf(text));
  }

  append(token: number): void {
    this.drafter.append(token);
  }

  draft: ReplayDrafter['draft'] = (last, budget) =>
    this.drafter.draft(last, this.source === 'none' ? { ...budget, nodes: 0 } : budget);

  /** As of `Drafter`. */
  get gains(): Float64Array {
    return this.drafter.gains;
  }

  private poolsOf({ entityType, cohort }: ReplayText): DraftPools {
    const { pools, source } = this;
    const own = source === 'cohort' || source === 'mixed';
    const key = poolKey(entityType, cohort);
    const cohortPool = own && key !== sharedKey ? pools.get(key) : undefined;
    const shared = source === 'shared' || source === 'mixed' ? pools.get(sharedKey) : undefined;
    return {
      ...(cohortPool === undefined ? {} : { cohort: cohortPool }),
      ...(shared === undefined ? {} : { shared }),
    };
  }
}

/** A drafter for texts of a tokenizer. */
export function sourceDrafter(
  tokenizer: { vocabularySize: number; endTokens: ReadonlySet<number> },
  pools: ReadonlyMap<PoolKey, Pool>,
  source: Source,
): SourceDrafter {
  return new SourceDrafter(new Drafter(tokenizer.vocabularySize, tokenizer.endTokens), pools, source);
}
