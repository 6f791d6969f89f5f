import type { Duck } from '../lake/duck.js';
import type { GraphSize } from './groups.js';
import { whitening } from './whitening.js';

/** Components of the embedding, the trivial first one included: columns z0 to z15 in sql/segment. */
export const dimensions = 16;

// The iteration ends when a round adds no more than this share to the sum of the singular values' fourth powers: so
// weighed the structure counts and the noise, which converges slowly, hardly does.
const tolerance = 5e-4;
const maxRounds = 24;
const names = Array.from({ length: dimensions }, (_, k) => `z${k}`);
const sides = {
  user: { nodes: 'user_nodes', vectors: 'user_vectors', node: 'user_node' },
  item: { nodes: 'item_nodes', vectors: 'item_vectors', node: 'item_node' },
};
type Side = keyof typeof sides;

/**
 * Makes the tables user_nodes, item_nodes and edges from the table `likes` (sql/segment/likes.sql).
 * Users with fewer than `minRatings` likes are left out.
 */
export async function buildGraph(duck: Duck, minRatings: number): Promise<GraphSize> {
  const [row] = await duck.scriptRows('segment/edges', { params: { min_ratings: minRatings } });
  const read = (name: string) => Number(row?.[name] ?? 0);
  return { users: read('users'), items: read('items'), edges: read('edges'), squareSum: read('square_sum') };
}

/**
 * Spectral embedding of the graph by randomised subspace iteration with a Rayleigh-Ritz step a round (Halko,
 * Martinsson & Tropp 2011, algorithm 4.4) on the degree-normalised matrix: the table user_vectors holds its left
 * singular vectors. All sums are over whole numbers, so the result depends on neither threads nor row order.
 * `check` is called between two steps and throws to stop.
 * @returns the singular values, descending after the trivial first one; 0 where the graph has no further component.
 */
export async function embedUsers(duck: Duck, check: () => void): Promise<number[]> {
  await duck.script('segment/seeds');
  await orthonormalise(duck);
  let singular: number[] = [];
  let reached = 0;
  for (let round = 0; round < maxRounds; round++) {
    check();
    await propagate(duck, 'user', 'item');
    check();
    await propagate(duck, 'item', 'user');
    // Both ways through the graph stretch a component by its singular value twice.
    singular = (await orthonormalise(duck)).map(Math.sqrt);
    const sum = singular.reduce((all, value) => all + value * value * value * value, 0);
    if (sum - reached <= tolerance * reached) break;
    reached = sum;
  }
  return singular;
}

async function propagate(duck: Duck, from: Side, to: Side): Promise<void> {
  const identifiers = {
    from_nodes: sides[from].nodes,
    from_vectors: sides[from].vectors,
    from_node: sides[from].node,
    to_nodes: sides[to].nodes,
    to_vectors: sides[to].vectors,
    to_node: sides[to].node,
  };
  await duck.script('segment/propagate', { identifiers });
}

/** Makes the users' components orthonormal; returns how long they were. */
async function orthonormalise(duck: Duck): Promise<number[]> {
  const [row] = await duck.scriptRows('segment/gram');
  const gram = names.map((_, a) =>
    names.map((_, b) => Number(row?.[`g${Math.min(a, b)}_z${Math.max(a, b)}`])),
  );
  const { columns, lengths } = whitening(gram);
  await duck.script('segment/rotate', { params: { rotation: JSON.stringify(columns) } });
  return lengths;
}
