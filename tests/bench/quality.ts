/** How far a weight type is from float32: on texts that the model itself wrote greedily in float32. */
import type { Engine, Verdicts } from '../../src/engine/engine.js';

export interface GreedyText {
  prompt_ids: readonly number[];
  /** With the end token. */
  output_ids: readonly number[];
}

export interface Quality {
  tokens: number;
  /** Share of the tokens that are the likeliest ones after the text before them. */
  equalTokens: number;
  /** Share of the texts of which all tokens are: greedy decoding writes them alike. */
  equalTexts: number;
  /** Mean log-probability of a token, in nats. */
  logProbability: number;
}

/** Runs each text through the engine in one step, as a chain of drafts. */
export async function measureQuality(engine: Engine, texts: readonly GreedyText[]): Promise<Quality> {
  let [tokens, equal, whole, sum] = [0, 0, 0, 0];
  for (const { prompt_ids: prompt, output_ids: output } of texts) {
    await engine.admit(0, Int32Array.from(prompt));
    // one row more than needed: the verdict on the last token comes with its own row
    const chain = Int32Array.of(prompt.at(-1) as number, ...output);
    const parents = Int32Array.from(chain, (_, row) => row - 1);
    const step = await engine.step([{ slot: 0, tree: { tokens: chain, parents } }], 2);
    const verdicts = step[0] as Verdicts;
    const same = output.filter((token, row) => verdicts.token(row, 0) === token).length;
    for (let row = 1; row < chain.length; row++) sum += Math.log(verdicts.ownProbability(row));
    tokens += output.length;
    equal += same;
    if (same === output.length) whole++;
    engine.release(0);
  }
  return {
    tokens,
    equalTokens: equal / tokens,
    equalTexts: whole / texts.length,
    logProbability: sum / tokens,
  };
}
