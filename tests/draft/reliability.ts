/** How far the estimated chances of draft nodes can be believed: what they say against what came, on recorded texts. */
import { type ReplayedDrafter, replayDrafts } from '../../src/draft/calibrate.js';
import type { ReplayDrafter, ReplayText } from '../../src/simulate/replay.js';

/** Nodes whose chance was estimated to lie in one tenth: how many, the mean of the estimates, the share that came. */
export interface Tenth {
  nodes: number;
  predicted: number;
  observed: number;
  /**
   * Of observed less predicted. Nodes of one text come or fail together, so it is that of a ratio of sums over texts (the
   * sandwich estimator with texts as clusters); some 20 texts are needed for it to mean something.
   */
  standardError: number;
}

/** Sums over the nodes of one text: how many, and what came beyond the estimates. */
interface TextSums {
  nodes: number;
  excess: number;
}

/** Figures of draft nodes by the tenth that their estimated chance lies in. */
export class Reliability {
  private readonly sums = Array.from({ length: 10 }, () => ({
    predicted: 0,
    observed: 0,
    texts: [] as TextSums[],
  }));

  get tenths(): Tenth[] {
    return this.sums.map(({ predicted, observed, texts }) => {
      const nodes = texts.reduce((sum, text) => sum + text.nodes, 0);
      const excess = (observed - predicted) / nodes;
      const squares = texts.reduce((sum, text) => sum + (text.excess - excess * text.nodes) ** 2, 0);
      return {
        nodes,
        predicted: predicted / nodes,
        observed: observed / nodes,
        standardError: Math.sqrt(squares) / nodes,
      };
    });
  }

  /**
   * Replays texts with greedy matching. A node has come when the text goes on along the whole path to it.
   * @param nodes draft nodes of a step, all of them drafted
   * @param relaxed whether drafts are those of mode relaxed
   */
  add(
    texts: Iterable<ReplayText>,
    drafter: ReplayDrafter & ReplayedDrafter,
    nodes: number,
    relaxed = false,
  ): void {
    for (const text of texts) {
      const { promptIds, answerIds } = text;
      drafter.begin(text);
      for (const { texts } of this.sums) texts.push({ nodes: 0, excess: 0 });
      const tokens = Int32Array.of(...promptIds, ...answerIds);
      replayDrafts(drafter, tokens, promptIds.length, { nodes, relaxed }, (chance, came) =>
        this.count(chance, came),
      );
    }
  }

  private count(chance: number, came: boolean): void {
    const tenth = this.sums[Math.min(9, Math.floor(10 * chance))] as (typeof this.sums)[number];
    const text = tenth.texts.at(-1) as TextSums;
    const outcome = came ? 1 : 0;
    tenth.predicted += chance;
    tenth.observed += outcome;
    text.nodes++;
    text.excess += outcome - chance;
  }
}
