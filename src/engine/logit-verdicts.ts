/** Verdicts made of logits, for graphs without a verification head. */
import { best, largest } from './logits.js';

/**
 * Writes the verdicts on a line of draft tokens, in the packed form of `Verdicts`.
 * Throws `notFinite` when a logit is NaN or infinite.
 * @param packed [rows, 1 + 3 * topK]
 * @param logits [rows, vocabulary]
 * @param first the line's first row in both
 */
export function packLine(
  packed: Float32Array,
  logits: Float32Array,
  vocabulary: number,
  tokens: Int32Array,
  first: number,
  topK: number,
): void {
  const columns = 1 + 3 * topK;
  for (let row = 0; row < tokens.length; row++) {
    const at = (first + row) * vocabulary;
    const scores = logits.subarray(at, at + vocabulary);
    const most = largest(scores);
    let sum = 0;
    for (let token = 0; token < vocabulary; token++) sum += Math.exp((scores[token] as number) - most);
    const probability = (token: number) => Math.exp((scores[token] as number) - most) / sum;
    const to = (first + row) * columns;
    best(scores, topK).forEach((token, rank) => {
      packed[to + 1 + rank] = scores[token] as number;
      packed[to + 1 + topK + rank] = probability(token);
      packed[to + 1 + 2 * topK + rank] = token;
    });
    const next = tokens[row + 1];
    if (next !== undefined) packed[to + columns] = probability(next);
  }
}
