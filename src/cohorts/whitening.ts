import { type Matrix, symmetricEigen } from './eigen.js';

export interface Whitening {
  /** columns[b][a]: new component b = sum over a of columns[b][a] * old component a. */
  columns: number[][];
  /** Lengths of the old components along the new ones: singular values, where the components came from a unit basis. */
  lengths: number[];
}

// Squared lengths below this share of the largest are rounding noise of the fixed-point sums: no component left.
const rankTolerance = 1e-9;

/**
 * The matrix that makes components orthonormal, from their Gram matrix (inner products).
 * Component 0 keeps its direction and is projected out of the others; those are turned to the directions in which
 * they are longest (Rayleigh-Ritz). Directions without length become zero.
 */
export function whitening(gram: Matrix): Whitening {
  const first = gram[0]?.[0] ?? 0;
  if (!(first > 0)) throw new Error('the first component has no length');
  const shares = gram.map((row) => (row[0] as number) / first);
  const rest = gram.slice(1).map((row, a) => {
    const share = shares[a + 1] as number;
    return row.slice(1).map((x, b) => x - share * (shares[b + 1] as number) * first);
  });
  const { values, vectors } = symmetricEigen(rest);
  const columns = [gram.map((_, a) => (a === 0 ? 1 / Math.sqrt(first) : 0))];
  const lengths = [Math.sqrt(first)];
  values.forEach((value, k) => {
    const length = value > rankTolerance * first ? Math.sqrt(value) : 0;
    const direction = (vectors[k] as number[]).map((x) => (length === 0 ? 0 : x / length));
    const along = direction.reduce((sum, x, a) => sum + x * (shares[a + 1] as number), 0);
    columns.push([-along, ...direction]);
    lengths.push(length);
  });
  return { columns, lengths };
}
