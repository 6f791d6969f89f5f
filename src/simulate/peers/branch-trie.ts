import type { DraftBudget } from '../../draft/drafter.js';
import type { TreeRows } from '../../engine/engine.js';
import type { ReplayDrafter, ReplayText } from '../replay.js';
import { bestFirst, type Candidate, firstOf, lineOf } from './draft-tree.js';
import { type Corpus, GrowingText, nowhere, type Occurrences } from './occurrences.js';

const branchLength = 12;
const mostNodes = 64;
const longestMatch = 2;
/** Of a branch's frequency in pool and output, against that in the prompt: the prompt's branches come first. */
const poolWeight = 1e-4;

/** Where a string occurs in the prompt, in the output so far, and in the pool. */
type Places = readonly [prompt: Occurrences, output: Occurrences, pool: Occurrences];

/**
 * The trie of LASER, which is that of Lookahead (Zhao et al. 2024): branches of twelve tokens from every place of the
 * prompt, the output and the pool of the text's cohort, looked up by the last two tokens, and by the last one where that
 * gives fewer than twelve nodes; the 64 most frequent nodes, those of the prompt before the others.
 */
export class BranchTrie implements ReplayDrafter {
  private prompt = new GrowingText();
  private output = new GrowingText();
  private promptLength = 0;
  private corpus: Corpus | undefined;

  /** @param corpusOf the corpus of a text's cohort; undefined: there is none */
  constructor(private readonly corpusOf: (text: ReplayText) => Corpus | undefined) {}

  begin(text: ReplayText): void {
    this.prompt = new GrowingText();
    this.output = new GrowingText();
    this.promptLength = text.promptIds.length;
    this.corpus = this.corpusOf(text);
  }

  append(token: number): void {
    const isPrompt = this.prompt.tokens.length < this.promptLength;
    (isPrompt ? this.prompt : this.output).tokens.push(token);
  }

  draft(last: number, { nodes }: DraftBudget): TreeRows {
    const context = [...this.prompt.last(longestMatch), ...this.output.last(longestMatch)];
    let tree = lineOf(last, []);
    for (let length = longestMatch; length > 0 && tree.tokens.length <= branchLength; length--) {
      const roots = followers(this.find(context.slice(-length)), 0, 1);
      if (roots.length === 0) continue;
      tree = bestFirst(last, mostNodes, roots, ({ state, depth }, row) =>
        depth < branchLength ? followers(state, row, depth + 1) : [],
      ).rows;
    }
    return firstOf(tree, nodes);
  }

  private find(string: readonly number[]): Places {
    const { prompt, output, corpus } = this;
    return [prompt.find(string), output.find(string), corpus?.find(string) ?? nowhere];
  }
}

function followers(places: Places, parent: number, depth: number): Candidate<Places>[] {
  const merged = new Map<number, [Occurrences, Occurrences, Occurrences]>();
  places.forEach((occurrences, source) => {
    for (const { token, at } of occurrences.followers()) {
      const known = merged.get(token) ?? [nowhere, nowhere, nowhere];
      known[source] = at;
      merged.set(token, known);
    }
  });
  const candidates = [...merged].map(([token, state]) => {
    const [prompt, output, pool] = state;
    const score = (1 - poolWeight) * prompt.count + poolWeight * (output.count + pool.count);
    return { token, parent, depth, score, state };
  });
  return candidates.sort((a, b) => b.score - a.score || a.token - b.token);
}
