import { type PoolKey, poolKey, sharedKey } from '../../pool/builder.js';
import type { ReplayDrafter, ReplayText } from '../replay.js';
import { BranchTrie } from './branch-trie.js';
import { Corpus } from './occurrences.js';
import { RestDrafter } from './rest.js';
import { SuffixDecoding } from './suffix-decoding.js';

/** Other methods that draft from earlier texts. */
export const pooledPeers = ['rest', 'laser', 'suffix-decoding'] as const;
export type PooledPeer = (typeof pooledPeers)[number];
/** All of them: prompt lookup knows no texts but its own. */
export type Peer = PooledPeer | 'prompt-lookup';

/** A text that earlier runs wrote, as the drafters of all methods see it. */
export interface Document {
  entityType: string | null;
  cohort: string | null;
  ids: Int32Array;
}

/** The peers' drafters over one set of earlier texts. Each cohort's are indexed when they are first needed. */
export class Peers {
  private readonly corpora = new Map<PoolKey, Corpus>();
  private readonly documents = new Map<PoolKey, Int32Array[]>([[sharedKey, []]]);

  constructor(documents: readonly Document[]) {
    for (const { entityType, cohort, ids } of documents) {
      for (const key of new Set([sharedKey, poolKey(entityType, cohort)])) {
        const list = this.documents.get(key);
        if (list === undefined) this.documents.set(key, [ids]);
        else list.push(ids);
      }
    }
  }

  drafter(peer: PooledPeer): ReplayDrafter {
    switch (peer) {
      case 'rest':
        return new RestDrafter(this.corpus(sharedKey));
      case 'laser':
        return new BranchTrie((text) => this.corpusOf(text));
      case 'suffix-decoding':
        return new SuffixDecoding(this.corpus(sharedKey));
    }
  }

  /** A text of a cohort without earlier texts is drafted for from those of all cohorts. */
  private corpusOf({ entityType, cohort }: ReplayText): Corpus {
    const key = poolKey(entityType, cohort);
    return this.corpus(this.documents.has(key) ? key : sharedKey);
  }

  private corpus(key: PoolKey): Corpus {
    const known = this.corpora.get(key);
    if (known !== undefined) return known;
    const corpus = new Corpus(this.documents.get(key) ?? []);
    this.corpora.set(key, corpus);
    return corpus;
  }
}
