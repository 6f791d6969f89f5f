import type { DraftBudget } from '../../draft/drafter.js';
import type { TreeRows } from '../../engine/engine.js';
import type { ReplayDrafter } from '../replay.js';
import { bestFirst, type Candidate, lineOf } from './draft-tree.js';
import { type Corpus, GrowingText, type Occurrences } from './occurrences.js';

const longestMatch = 16;
const shortestMatch = 2;
const mostPrefixes = 64;
const longestDraft = 10;

/**
 * Retrieval as in REST (He et al. 2024): the longest of the last 16 to 2 tokens that the corpus of all texts holds; of
 * what follows there, up to ten tokens, the 64 prefixes that are most frequent make the tree. (REST looks at no more than
 * 5,000 places; here all are counted.)
 */
export class RestDrafter implements ReplayDrafter {
  private text = new GrowingText();

  constructor(private readonly corpus: Corpus) {}

  begin(): void {
    this.text = new GrowingText();
  }

  append(token: number): void {
    this.text.tokens.push(token);
  }

  draft(last: number, { nodes }: DraftBudget): TreeRows {
    const context = this.text.last(longestMatch);
    for (let length = context.length; length >= shortestMatch; length--) {
      const found = this.corpus.find(context.slice(-length));
      if (found.count === 0) continue;
      const roots = followers(found, 0, 1);
      return bestFirst(last, Math.min(nodes, mostPrefixes), roots, ({ state, depth }, row) =>
        depth < longestDraft ? followers(state, row, depth + 1) : [],
      ).rows;
    }
    return lineOf(last, []);
  }
}

function followers(found: Occurrences, parent: number, depth: number): Candidate<Occurrences>[] {
  return found.followers().map(({ token, at }) => ({ token, parent, depth, score: at.count, state: at }));
}
