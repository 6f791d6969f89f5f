import { generator } from './generator.js';
import { dot, type Vector } from './vectors.js';

/** Directions in which vectors differ most, and where they are centred. */
export interface Components {
  mean: Float64Array;
  /** [count], unit vectors at right angles, the most telling first; fewer where vectors differ in fewer directions. */
  directions: Float64Array[];
  /** Standard deviation along each. */
  spreads: number[];
}

const rounds = 12;

/** Principal components, by subspace iteration (Golub & Van Loan, Matrix Computations, 4th ed., section 8.2.4). */
export function components(vectors: readonly Vector[], count: number): Components {
  const width = vectors[0]?.length ?? 0;
  const mean = new Float64Array(width);
  for (const vector of vectors) add(mean, vector, 1 / vectors.length);
  const centred = vectors.map((vector) => Float64Array.from(vector, (x, i) => x - (mean[i] as number)));
  const random = generator(1);
  const most = Math.min(count, width, Math.max(0, vectors.length - 1));
  let directions: Float64Array[] = Array.from({ length: most }, () =>
    Float64Array.from({ length: width }, () => random() - 0.5),
  );
  for (let round = 0; round < rounds; round++) {
    directions = orthogonal(
      directions.map((direction) => {
        const next = new Float64Array(width);
        for (const vector of centred) add(next, vector, dot(vector, direction));
        return next;
      }),
    );
  }
  const spreads = directions.map((direction) =>
    Math.sqrt(centred.reduce((sum, vector) => sum + dot(vector, direction) ** 2, 0) / vectors.length),
  );
  return { mean, directions, spreads };
}

/** Coordinates of a vector along the components, in their standard deviations. */
export function coordinates(vector: Vector, { mean, directions, spreads }: Components): Float64Array {
  const centred = Float64Array.from(vector, (x, i) => x - (mean[i] as number));
  return Float64Array.from(directions, (direction, k) => dot(centred, direction) / (spreads[k] as number));
}

/** Unit vectors at right angles (Gram and Schmidt, twice for accuracy); what depends on those before is left out. */
function orthogonal(vectors: readonly Float64Array[]): Float64Array[] {
  const largest = Math.max(...vectors.map((vector) => Math.sqrt(dot(vector, vector))));
  const found: Float64Array[] = [];
  for (const vector of vectors) {
    for (let twice = 0; twice < 2; twice++)
      for (const other of found) add(vector, other, -dot(vector, other));
    const length = Math.sqrt(dot(vector, vector));
    if (!(length > 1e-9 * largest)) continue;
    found.push(vector.map((x) => x / length));
  }
  return found;
}

function add(sum: Float64Array, vector: Vector, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + factor * (vector[i] as number);
}
