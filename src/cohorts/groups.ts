/** The user-item graph in numbers. */
export interface GraphSize {
  users: number;
  items: number;
  edges: number;
  /** Sum of the squared entries of the degree-normalised matrix. */
  squareSum: number;
}

/** A gap counts as the end of the structure only near the noise's edge: this far above and below it. */
const margin = 1.05;

/**
 * The number of groups that the singular values (descending, the trivial first one included) speak for.
 *
 * K groups lift K singular values above the bulk of noise, whose edge a random matrix of the same size and residual
 * energy has at sqrt(residual / (users * items)) * (sqrt(users) + sqrt(items)) (Marchenko & Pastur 1967; Bai & Yin
 * 1993 for the largest one). The residual is what is left of the squared entries without the singular values above
 * the edge. Of the gaps that end the structure near this edge the largest ratio decides.
 * @returns 1 (no structure) up to `singular.length` (no end in sight).
 */
export function chooseGroups(singular: readonly number[], graph: GraphSize): number {
  const edge = noiseEdge(singular, graph);
  let best = singular.length;
  let widest = 0;
  for (let k = 1; k < singular.length; k++) {
    const last = singular[k - 1] as number;
    const next = singular[k] as number;
    if (next > edge * margin) continue;
    if (last < edge / margin) break;
    const ratio = next > 0 ? last / next : Number.POSITIVE_INFINITY;
    if (ratio > widest) {
      widest = ratio;
      best = k;
    }
  }
  return best;
}

/** Largest singular value that noise alone would have; `singular` descending. */
export function noiseEdge(singular: readonly number[], graph: GraphSize): number {
  const size = Math.sqrt(graph.users) + Math.sqrt(graph.items);
  let residual = graph.squareSum;
  let edge = Number.POSITIVE_INFINITY;
  for (const value of singular) {
    residual = Math.max(0, residual - value * value);
    edge = Math.sqrt(residual / (graph.users * graph.items)) * size;
    if (value <= edge) break;
  }
  return edge;
}
