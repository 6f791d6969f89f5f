/** A square matrix as rows. */
export type Matrix = readonly (readonly number[])[];

export interface Eigen {
  /** Descending. */
  values: number[];
  /** vectors[k] belongs to values[k]: unit length, its largest entry (the first, if several) is positive. */
  vectors: number[][];
}

const maxSweeps = 60;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub & Van Loan, Matrix
 * Computations, 4th ed., section 8.5). Only + - * / and square roots, which IEEE 754 rounds the same way everywhere:
 * the result has the same bits on every machine.
 */
export function symmetricEigen(matrix: Matrix): Eigen {
  const n = matrix.length;
  const a = matrix.map((row) => Float64Array.from(row));
  const v = Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)),
  );
  const scale = a.reduce((sum, row) => sum + row.reduce((s, x) => s + x * x, 0), 0);
  for (let sweep = 0; sweep < maxSweeps && offDiagonal(a) > 1e-30 * scale; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, v, p, q);
    }
  }
  const order = Array.from({ length: n }, (_, k) => k).sort((x, y) => at(a, y, y) - at(a, x, x) || x - y);
  return {
    values: order.map((k) => at(a, k, k)),
    vectors: order.map((k) => withPositiveLargest(v.map((row) => row[k] as number))),
  };
}

/** One rotation of the rows and columns p and q that makes a[p][q] zero. */
function rotate(a: Float64Array[], v: Float64Array[], p: number, q: number): void {
  const apq = at(a, p, q);
  if (apq === 0) return;
  const tau = (at(a, q, q) - at(a, p, p)) / (2 * apq);
  const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
  const c = 1 / Math.sqrt(1 + t * t);
  const s = t * c;
  for (const row of a) turn(row, p, q, c, s);
  const rowP = a[p] as Float64Array;
  const rowQ = a[q] as Float64Array;
  for (let k = 0; k < a.length; k++) {
    const x = rowP[k] as number;
    const y = rowQ[k] as number;
    rowP[k] = c * x - s * y;
    rowQ[k] = s * x + c * y;
  }
  for (const row of v) turn(row, p, q, c, s);
}

function turn(row: Float64Array, p: number, q: number, c: number, s: number): void {
  const x = row[p] as number;
  const y = row[q] as number;
  row[p] = c * x - s * y;
  row[q] = s * x + c * y;
}

function offDiagonal(a: readonly Float64Array[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) sum += at(a, i, j) * at(a, i, j);
  }
  return sum;
}

function withPositiveLargest(vector: number[]): number[] {
  let largest = 0;
  for (const x of vector) if (Math.abs(x) > Math.abs(largest)) largest = x;
  return largest < 0 ? vector.map((x) => -x) : vector;
}

function at(a: readonly Float64Array[], i: number, j: number): number {
  return (a[i] as Float64Array)[j] as number;
}
