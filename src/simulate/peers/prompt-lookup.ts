import type { DraftBudget } from '../../draft/drafter.js';
import type { TreeRows } from '../../engine/engine.js';
import type { ReplayDrafter } from '../replay.js';
import { lineOf } from './draft-tree.js';

const longestMatch = 3;
const longestDraft = 10;

/**
 * Prompt lookup as transformers does it: the first place in prompt and output where the last three tokens stand, else
 * two, else one; the ten tokens that follow it there are the draft.
 */
export class PromptLookup implements ReplayDrafter {
  private tokens: number[] = [];

  begin(): void {
    this.tokens = [];
  }

  append(token: number): void {
    this.tokens.push(token);
  }

  draft(last: number, { nodes }: DraftBudget): TreeRows {
    const { tokens } = this;
    for (let length = Math.min(longestMatch, tokens.length - 1); length > 0; length--) {
      const string = tokens.slice(-length);
      for (let end = length; end < tokens.length; end++) {
        if (string.every((token, i) => tokens[end - length + i] === token))
          return lineOf(last, tokens.slice(end, end + Math.min(nodes, longestDraft)));
      }
    }
    return lineOf(last, []);
  }
}
