import { draw } from './draw.js';
import { degreeOf, type LikeGraph, type Pause } from './graph.js';
import { dimensions, LikePasses } from './like-pass.js';
import { whitening } from './whitening.js';

/** Where the items are, of which the users' places follow. */
export interface Embedding {
  /**
   * An item's right singular vectors, divided by the root of its degree: `dimensions` numbers for each item. In 32 bits,
   * so that an item's numbers are one line of the processor's cache: the passes over the likes wait for nothing else.
   */
  scaled: Float32Array;
  /** Descending after the trivial first one; 0 where the graph has no further component. */
  singularValues: number[];
}

// The iteration ends when a round adds no more than this share to the sum of the singular values' fourth powers: so
// weighed the structure counts and the noise, which converges slowly, hardly does.
const tolerance = 1e-4;
const maxRounds = 24;

/**
 * Spectral embedding of the graph by randomised subspace iteration with a Rayleigh-Ritz step a round (Halko,
 * Martinsson & Tropp 2011, algorithm 4.4) on the degree-normalised matrix. A round is one pass over the likes: through
 * each user from items to items. All sums are made in one order, so the result is the same on every machine.
 * @param seeds a number for each item from which its start is drawn
 */
export async function embedItems(graph: LikeGraph, seeds: Uint32Array, pause: Pause): Promise<Embedding> {
  const passes = new LikePasses(graph);
  try {
    return await iterate(graph.itemDegrees, passes, seeds, pause);
  } finally {
    passes.close();
  }
}

async function iterate(
  degrees: Float64Array,
  passes: LikePasses,
  seeds: Uint32Array,
  pause: Pause,
): Promise<Embedding> {
  const { scaled } = passes;
  const vectors = startVectors(degrees, seeds);
  orthonormalise(vectors);
  let singularValues: number[] = [];
  let reached = 0;
  for (let round = 0; round < maxRounds; round++) {
    scaleInto(scaled, vectors, degrees);
    await passes.pass(vectors, pause);
    scaleInto(vectors, vectors, degrees);
    // Both ways through the graph stretch a component by its singular value twice.
    singularValues = orthonormalise(vectors).map(Math.sqrt);
    await pause();
    const sum = singularValues.reduce((all, value) => all + value * value * value * value, 0);
    if (sum - reached <= tolerance * reached) break;
    reached = sum;
  }
  scaleInto(scaled, vectors, degrees);
  return { scaled, singularValues };
}

/**
 * Writes the first `width` components of a user's place, without the trivial one, to `place` from `at` on: left
 * singular vectors times singular values, in units that don't depend on the number of users.
 */
export function placeUser(
  graph: LikeGraph,
  { scaled }: Embedding,
  user: number,
  width: number,
  place: Float64Array,
  at: number,
): void {
  const { starts, items, weights, size } = graph;
  const end = starts[user + 1] as number;
  for (let k = 0; k < width; k++) place[at + k] = 0;
  for (let like = starts[user] as number; like < end; like++) {
    const from = (items[like] as number) * dimensions + 1;
    const weight = weights[like] as number;
    for (let k = 0; k < width; k++)
      place[at + k] = (place[at + k] as number) + weight * (scaled[from + k] as number);
  }
  const scale = Math.sqrt(size.users / degreeOf(graph, user));
  for (let k = 0; k < width; k++) place[at + k] = (place[at + k] as number) * scale;
}

/** The trivial first component, roots of the degrees, and draws. */
function startVectors(degrees: Float64Array, seeds: Uint32Array): Float64Array {
  const vectors = new Float64Array(degrees.length * dimensions);
  const total = degrees.reduce((sum, degree) => sum + degree, 0);
  for (const [item, degree] of degrees.entries()) {
    if (degree === 0) continue;
    const at = item * dimensions;
    vectors[at] = Math.sqrt(degree / total);
    for (let k = 1; k < dimensions; k++) {
      vectors[at + k] = (draw(seeds[item] as number, k) - 0.5) / Math.sqrt(degrees.length);
    }
  }
  return vectors;
}

/** target = source, each item's numbers divided by the root of its degree. */
function scaleInto(target: Float32Array | Float64Array, source: Float64Array, degrees: Float64Array): void {
  for (let item = 0; item < degrees.length; item++) {
    const degree = degrees[item] as number;
    const scale = degree === 0 ? 0 : 1 / Math.sqrt(degree);
    const end = (item + 1) * dimensions;
    for (let at = item * dimensions; at < end; at++) target[at] = (source[at] as number) * scale;
  }
}

/** Makes the items' components orthonormal; returns how long they were. */
function orthonormalise(vectors: Float64Array): number[] {
  const { columns, lengths } = whitening(gramOf(vectors));
  const rotation = columns.map((column) => Float64Array.from(column));
  const turned = new Float64Array(dimensions);
  for (let at = 0; at < vectors.length; at += dimensions) {
    for (let b = 0; b < dimensions; b++) {
      const column = rotation[b] as Float64Array;
      let sum = 0;
      for (let a = 0; a < dimensions; a++) sum += (vectors[at + a] as number) * (column[a] as number);
      turned[b] = sum;
    }
    vectors.set(turned, at);
  }
  return lengths;
}

/** Inner products of the components. */
function gramOf(vectors: Float64Array): number[][] {
  const gram = new Float64Array(dimensions * dimensions);
  for (let at = 0; at < vectors.length; at += dimensions) {
    for (let a = 0; a < dimensions; a++) {
      const value = vectors[at + a] as number;
      for (let b = a; b < dimensions; b++) {
        const place = a * dimensions + b;
        gram[place] = (gram[place] as number) + value * (vectors[at + b] as number);
      }
    }
  }
  const component = Array.from({ length: dimensions }, (_, k) => k);
  return component.map((a) =>
    component.map((b) => gram[Math.min(a, b) * dimensions + Math.max(a, b)] as number),
  );
}
