/** How far the estimated chances of draft nodes can be believed: what they say against what came, on recorded texts. */
import { type ReplayedDrafter, replayDrafts } from '../../src/draft/calibrate.js';
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
  add(texts: Iterable<ReplayText>, drafter: ReplayDrafter & ReplayedDrafter, nodes: number): void {
    for (const text of texts) {
      const { promptIds, answerIds } = text;
      drafter.begin(text);
      const tokens = Int32Array.of(...promptIds, ...answerIds);
      replayDrafts(drafter, tokens, promptIds.length, nodes, (chance, came) => this.count(chance, came));
    }
  }

  private count(chance: number, came: boolean): void {
    const tenth = this.sums[Math.min(9, Math.floor(10 * chance))] as Tenth;
    tenth.nodes++;
    tenth.predicted += chance;
    tenth.observed += came ? 1 : 0;
  }
}
