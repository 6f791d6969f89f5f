/** What the kernels say of a step's rows -> what the engine's callers read. */
import { notFinite, type StepInput, Verdicts } from '../engine.js';
import type { ForwardOutput } from './forward.js';

/**
 * The verdicts of the trees, whose rows lie one tree behind the other.
 * Throws `notFinite` when a row's logits are NaN or infinite.
 */
export function unpackVerdicts(
  inputs: readonly StepInput[],
  { verdicts, states, logits }: ForwardOutput,
  topK: number,
  { hidden, vocabulary }: { hidden: number; vocabulary: number },
): Verdicts[] {
  const columns = 2 + 2 * topK;
  const width = 1 + 3 * topK;
  const packed = new Float32Array((verdicts.length / columns) * width);
  const all = logits && { logits, vocabulary };
  let first = 0;
  return inputs.map(({ tree: { tokens, parents } }) => {
    for (let i = 0; i < tokens.length; i++) {
      const row = (first + i) * columns;
      const parent = (first + Math.max(parents[i] as number, 0)) * columns;
      const to = (first + i) * width;
      const logSum = verdicts[row + 1] as number;
      if (!Number.isFinite(logSum)) throw notFinite();
      packed[to] = Math.exp((verdicts[row] as number) - (verdicts[parent + 1] as number));
      for (let k = 0; k < topK; k++) {
        const logit = verdicts[row + 2 + k] as number;
        packed[to + 1 + k] = logit;
        packed[to + 1 + topK + k] = Math.exp(logit - logSum);
        packed[to + 1 + 2 * topK + k] = verdicts[row + 2 + topK + k] as number;
      }
    }
    const found = new Verdicts(packed, states, first, hidden, topK, all);
    first += tokens.length;
    return found;
  });
}
