import type { TreeRows } from '../../engine/engine.js';

/** A node that may be drafted; the larger `score`, the sooner. */
export interface Candidate<State> {
  token: number;
  /** Row of the tree. */
  parent: number;
  depth: number;
  score: number;
  state: State;
}

/** A draft tree, and the sum of its nodes' scores. */
export interface ScoredTree {
  rows: TreeRows;
  score: number;
}

/**
 * A tree of at most `nodes` nodes: always the candidate with the highest score next, of equal ones the one that became
 * a candidate last, so that a path is followed to its end first.
 * @param expand candidates below a row
 */
export function bestFirst<State>(
  last: number,
  nodes: number,
  roots: readonly Candidate<State>[],
  expand: (of: Candidate<State>, row: number) => readonly Candidate<State>[],
): ScoredTree {
  const tokens = [last];
  const parents = [-1];
  let score = 0;
  // ascending: the next candidate stands at the end
  const candidates: Candidate<State>[] = [];
  const push = (list: readonly Candidate<State>[]) => {
    for (const candidate of [...list].reverse())
      candidates.splice(placeOf(candidate, candidates), 0, candidate);
  };
  push(roots);
  while (tokens.length <= nodes) {
    const next = candidates.pop();
    if (next === undefined) break;
    tokens.push(next.token);
    parents.push(next.parent);
    score += next.score;
    push(expand(next, tokens.length - 1));
  }
  return { rows: { tokens: Int32Array.from(tokens), parents: Int32Array.from(parents) }, score };
}

/** Behind all that don't score more. */
function placeOf<State>({ score }: Candidate<State>, sorted: readonly Candidate<State>[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as Candidate<State>).score <= score) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A tree without branches. */
export function lineOf(last: number, tokens: readonly number[]): TreeRows {
  return {
    tokens: Int32Array.of(last, ...tokens),
    parents: Int32Array.from([-1, ...tokens.keys()]),
  };
}

/** The tree's first nodes. */
export function firstOf({ tokens, parents }: TreeRows, nodes: number): TreeRows {
  return { tokens: tokens.slice(0, nodes + 1), parents: parents.slice(0, nodes + 1) };
}
