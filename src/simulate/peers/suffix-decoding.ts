import type { DraftBudget } from '../../draft/drafter.js';
import type { TreeRows } from '../../engine/engine.js';
import type { ReplayDrafter } from '../replay.js';
import { bestFirst, type Candidate, lineOf, type ScoredTree } from './draft-tree.js';
import { type Corpus, GrowingText, longestString, type Occurrences } from './occurrences.js';

const leastProbability = 0.1;
/** Tokens that are drafted for each token that matches. */
const lengthFactor = 1;

/**
 * SuffixDecoding (Oliaro et al. 2025), with tree drafts: for each length that the last tokens match in the request's own
 * text, and in the texts of all earlier requests, a tree of at most as many nodes as tokens match, of the most probable
 * paths by counts, none below 0.1. The tree with the largest sum of path probabilities is the draft; the longer match
 * wins a tie, and the own text.
 */
export class SuffixDecoding implements ReplayDrafter {
  private own = new GrowingText();

  /** @param corpus all earlier texts */
  constructor(private readonly corpus: Corpus) {}

  begin(): void {
    this.own = new GrowingText();
  }

  append(token: number): void {
    this.own.tokens.push(token);
  }

  draft(last: number, { nodes }: DraftBudget): TreeRows {
    const local = this.best(last, nodes, this.own);
    const global = this.best(last, nodes, this.corpus);
    return (local.score >= global.score ? local : global).rows;
  }

  private best(last: number, nodes: number, text: Pick<Corpus, 'find'>): ScoredTree {
    const context = this.own.last(longestString);
    let best: ScoredTree = { rows: lineOf(last, []), score: 0 };
    for (let length = 1; length < context.length; length++) {
      const found = text.find(context.slice(-length));
      // nor do longer strings have a follower then
      if (found.followers().length === 0) break;
      const tree = treeBelow(found, last, Math.min(nodes, length * lengthFactor));
      if (tree.score >= best.score) best = tree;
    }
    return best;
  }
}

function treeBelow(found: Occurrences, last: number, nodes: number): ScoredTree {
  return bestFirst(last, nodes, followers(found, 1, 0, 1), ({ state, score, depth }, row) =>
    followers(state, score, row, depth + 1),
  );
}

function followers(
  found: Occurrences,
  probability: number,
  parent: number,
  depth: number,
): Candidate<Occurrences>[] {
  return found
    .followers()
    .map(({ token, at }) => ({
      token,
      parent,
      depth,
      score: (probability * at.count) / found.count,
      state: at,
    }))
    .filter(({ score }) => score >= leastProbability);
}
