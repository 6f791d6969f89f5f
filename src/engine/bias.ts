/** Masks of attention as numbers that are added to the scores. */

/** A bias that hides a column. Not -infinity: a row that sees nothing (padding) must not become NaN. */
export const hidden = -10_000;

/** Rows of one sequence over its cached tokens and themselves. */
export interface TreeMask {
  /** Parent of each row, -1 for the first; rows behind them are padding, which sees cached tokens only. */
  parents: Int32Array;
  /** Of each of those rows, 0 for the first. */
  depths: Int32Array;
  /** Rows with padding. */
  rows: number;
  /** How often each row stands there: once for every query head that shares a key/value head. */
  group: number;
  /** Cached tokens. */
  length: number;
  /** Columns of the cache. */
  past: number;
}

/**
 * Bias of one sequence at `offset`, [rows * group, past + rows]: a row sees the cached tokens, its ancestors and itself.
 * @param window how many tokens back a row sees, itself included
 */
export function treeBias(
  bias: Float32Array,
  offset: number,
  { parents, depths, rows, group, length, past }: TreeMask,
  window = Number.POSITIVE_INFINITY,
): void {
  const width = past + rows;
  for (let row = 0; row < rows; row++) {
    const start = offset + row * group * width;
    bias.fill(0, start, start + length);
    bias.fill(hidden, start + length, start + width);
    if (row < parents.length) {
      const unseen = length + (depths[row] as number) + 1 - window;
      if (unseen > 0) bias.fill(hidden, start, start + Math.min(length, unseen));
      for (let at = row, back = 0; at >= 0 && back < window; at = parents[at] as number, back++)
        bias[start + past + at] = 0;
    }
    for (let copy = 1; copy < group; copy++) bias.copyWithin(start + copy * width, start, start + width);
  }
}

/** Bias of rows that follow each other and `past` cached tokens, [rows * group, past + rows]. */
export function causalBias(rows: number, past: number, group: number, window?: number): Float32Array {
  const bias = new Float32Array(rows * group * (past + rows));
  const depths = Int32Array.from({ length: rows }, (_, row) => row);
  const parents = depths.map((row) => row - 1);
  treeBias(bias, 0, { parents, depths, rows, group, length: past, past }, window);
  return bias;
}
