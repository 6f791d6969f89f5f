/** Distances between the vectors of texts: 1 - cosine. */

export type Vector = Float32Array | Float64Array;

/** 1 - cosine of two vectors; NaN where one has no direction. */
export function distance(a: Vector, b: Vector): number {
  return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/**
 * Mean of 1 - cosine over all pairs of different vectors; null for less than two. Of N unit vectors the N (N - 1) cosines
 * of pairs sum up to |sum of the vectors|^2 - N, so no pair is looked at.
 */
export function meanPairDistance(vectors: readonly Vector[]): number | null {
  const [first] = vectors;
  const count = vectors.length;
  if (first === undefined || count < 2) return null;
  const sum = new Float64Array(first.length);
  for (const vector of vectors) {
    const length = Math.sqrt(dot(vector, vector));
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (vector[i] as number) / length;
  }
  return 1 - (dot(sum, sum) - count) / (count * (count - 1));
}

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
