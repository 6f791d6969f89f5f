/** What is built of one cohort, in this thread or another: it loads little, for a thread starts as fast as its modules. */
import { buildTrie } from './build.js';
import type { PoolOwner, PoolSettings } from './builder.js';
import { versionOf } from './columns.js';
import { type DocumentOpinions, EscapeFit, fitTokens, placesForFit } from './fit.js';
import { Pool, type TrieColumns } from './trie.js';

/** Tokens of the generation prompt that pools can make use of. */
export function contextLength({ generationPrompt, maxLength }: PoolSettings): number {
  return Math.min(generationPrompt.length, maxLength - 1);
}

/** What there is to build of one cohort. */
export interface CohortJob extends PoolOwner {
  /** All that its pool holds, made by `documentOf`. */
  documents: readonly Int32Array[];
  /**
   * Its part of all texts: fits go through as much of each cohort as it has of them. Left out where the shared pool isn't
   * built.
   */
  share?: number;
}

export interface CohortBuild {
  /** None for texts without a cohort, and where the pool was there already. */
  trie?: { columns: TrieColumns; version: string };
  /** The cohort's part of what the shared pool learns, if it is built. */
  opinions?: CohortOpinions;
}

/** What a cohort's pool and the texts themselves say of the part of its documents that fits go through. */
export interface CohortOpinions {
  /** Of these documents among the cohort's. */
  places: number[];
  opinions: DocumentOpinions[];
}

/** Builds cohorts, one after the other. */
export class CohortBuilder {
  private readonly fit: EscapeFit;

  constructor(private readonly settings: PoolSettings) {
    this.fit = new EscapeFit(settings.maxLength, contextLength(settings));
  }

  /**
   * @param earlier the cohort's pool, where it is there already
   * @throws inputError for more tokens than one pool can hold
   */
  build({ cohort, documents, share }: CohortJob, earlier?: Pool): CohortBuild {
    const { maxLength } = this.settings;
    const builds = earlier === undefined && cohort !== null && documents.length > 0;
    const columns = builds ? buildTrie(documents, maxLength) : undefined;
    const pool = columns === undefined ? earlier : new Pool(columns, maxLength);
    return {
      ...(columns === undefined ? {} : { trie: { columns, version: versionOf(columns, {}) } }),
      ...(share === undefined ? {} : { opinions: this.judge(documents, share, pool) }),
    };
  }

  private judge(documents: readonly Int32Array[], share: number, pool: Pool | undefined): CohortOpinions {
    const places = placesForFit(documents, fitTokens * share);
    const chosen = places.map((place) => documents[place] as Int32Array);
    return { places, opinions: this.fit.judge(chosen, pool) };
  }
}
