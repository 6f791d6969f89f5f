import fc from 'fast-check';
import { type TreeRows, Verdicts } from '../../src/engine/engine.js';

/** What the model says after one row: logits by token, all others impossible. */
export type RowVerdict = readonly (readonly [token: number, logit: number])[];

/** A tree and what the model says after each of its rows. */
export interface Case {
  tokens: number[];
  parents: number[];
  rows: RowVerdict[];
}

export function treeOf({ tokens, parents }: Case): TreeRows {
  return { tokens: Int32Array.from(tokens), parents: Int32Array.from(parents) };
}

/** A row's tokens by falling logit, of equal ones the lower token first, with probabilities by softmax. */
export function ranked(row: RowVerdict): { token: number; logit: number; probability: number }[] {
  const total = row.reduce((sum, [, logit]) => sum + Math.exp(logit), 0);
  return row
    .map(([token, logit]) => ({ token, logit, probability: Math.exp(logit) / total }))
    .sort((a, b) => b.logit - a.logit || a.token - b.token);
}

/** Packed as the engine packs them, with all logits; `first` rows of another tree come before. */
export function verdictsOf({ tokens, parents, rows }: Case, topK: number, first = 0): Verdicts {
  const columns = 1 + 3 * topK;
  const packed = new Float32Array((first + rows.length) * columns).fill(-7, 0, first * columns);
  rows.forEach((row, r) => {
    const own = ranked(rows[Math.max(parents[r] as number, 0)] as RowVerdict).find(
      ({ token }) => token === tokens[r],
    );
    const at = (first + r) * columns;
    packed[at] = own?.probability ?? 0;
    const best = ranked(row);
    for (let k = 0; k < topK; k++) {
      packed[at + 1 + k] = best[k]?.logit ?? -1e4;
      packed[at + 1 + topK + k] = best[k]?.probability ?? 0;
      packed[at + 1 + 2 * topK + k] = best[k]?.token ?? 1000 + k;
    }
  });
  const vocabulary = 1 + Math.max(...rows.flatMap((row) => row.map(([token]) => token)));
  const logits = new Float32Array((first + rows.length) * vocabulary).fill(-1e4);
  rows.forEach((row, r) => {
    for (const [token, logit] of row) logits[(first + r) * vocabulary + token] = logit;
  });
  const states = new Float32Array(first + rows.length);
  return new Verdicts(packed, states, first, 1, topK, { logits, vocabulary });
}

const vocabulary = 5;

/** Small trees with siblings of distinct tokens; logits from a coarse grid, so that ties happen. */
export const cases: fc.Arbitrary<Case> = fc
  .array(fc.record({ parent: fc.nat(1000), token: fc.nat(vocabulary - 1) }), { maxLength: 12 })
  .chain((wanted) => {
    const tokens = [0];
    const parents = [-1];
    for (const { parent, token } of wanted) {
      const at = parent % tokens.length;
      if (tokens.some((other, row) => parents[row] === at && other === token)) continue;
      tokens.push(token);
      parents.push(at);
    }
    const row = fc
      .array(fc.integer({ min: 0, max: 9 }), { minLength: vocabulary, maxLength: vocabulary })
      .map((logits) => logits.map((logit, token) => [token, logit / 4] as const));
    return fc
      .array(row, { minLength: tokens.length, maxLength: tokens.length })
      .map((rows) => ({ tokens, parents, rows }));
  });
