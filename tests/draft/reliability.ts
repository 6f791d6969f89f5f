/** How far the estimated chances of draft nodes can be believed: what they say against what came, on recorded texts. */
import type { Drafter } from '../../src/draft/drafter.js';
import type { ReplayDrafter, ReplayText } from '../../src/simulate/replay.js';

/** Nodes whose chance was estimated to lie in one tenth: how many, the mean of the estimates, the share that came. */
export interface Tenth {
  nodes: number;
  predicted: number;
  observed: number;
}

/** Figures of draft nodes by the tenth that their estimated chance lies in. */
export class Reliability {
  private readonly sums = Array.from({ length: 10 }, (): Tenth => ({ nodes: 0, predicted: 0, observed: 0 }));

  get tenths(): Tenth[] {
    return this.sums.map(({ nodes, predicted, observed }) => ({
      nodes,
      predicted: predicted / nodes,
      observed: observed / nodes,
    }));
  }

  /**
   * Replays texts with greedy matching. A node has come when the text goes on along the whole path to it.
   * @param nodes draft nodes of a step, all of them drafted
   */
  add(
    texts: Iterable<ReplayText>,
    drafter: ReplayDrafter & Readonly<Pick<Drafter, 'gains'>>,
    nodes: number,
  ): void {
    for (const text of texts) {
      const { promptIds, answerIds } = text;
      drafter.begin(text);
      for (const token of promptIds) drafter.append(token);
      let last = promptIds.at(-1) as number;
      for (let at = 0; at < answerIds.length; ) {
        const { tokens, parents } = drafter.draft(last, { nodes, minPathProbability: 0, depth: nodes });
        const depths = depthsThatCame(tokens, parents, answerIds, at);
        for (let row = 1; row < tokens.length; row++)
          this.count(drafter.gains[row - 1] as number, depths[row] !== 0);
        const end = Math.min(answerIds.length, at + Math.max(...depths) + 1);
        for (; at < end; at++) {
          last = answerIds[at] as number;
          drafter.append(last);
        }
      }
    }
  }

  private count(chance: number, came: boolean): void {
    const tenth = this.sums[Math.min(9, Math.floor(10 * chance))] as Tenth;
    tenth.nodes++;
    tenth.predicted += chance;
    tenth.observed += came ? 1 : 0;
  }
}

/** Depth of each row that the answer goes along with from `at` on, 0 of the others and of row 0. */
function depthsThatCame(tokens: Int32Array, parents: Int32Array, answer: Int32Array, at: number): Int32Array {
  const depths = new Int32Array(tokens.length);
  for (let row = 1; row < tokens.length; row++) {
    const parent = parents[row] as number;
    const depth = (depths[parent] as number) + 1;
    if ((parent === 0 || depth > 1) && tokens[row] === answer[at + depth - 1]) depths[row] = depth;
  }
  return depths;
}
