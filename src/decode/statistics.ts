import { z } from 'zod';
import type { TreeRows } from '../engine/engine.js';

/** Places of the counts by depth, 1 to 32, and by match length, 0 to 16: the last one holds what is beyond. */
const depths = 32;
const matches = 17;

/** Where the time of a loop went, in milliseconds, and what it made. */
export interface LoopStatistics {
  /** All the time in which sequences were being decoded. */
  busy: number;
  /** Inside the model: prompts, and decode steps. */
  prefill: number;
  steps: number;
  draft: number;
  /** Verification and bookkeeping. */
  verify: number;
  /** Batched model steps; steps of texts that wrote something; rows of drafts in them. */
  modelSteps: number;
  textSteps: number;
  draftRows: number;
  /** Tokens that steps emitted, end tokens and the tokens of stop strings included. */
  tokens: number;
  /** Texts that were finished. */
  texts: number;
  /** By how deep a draft token stands below the text's last token, from 1. */
  byDepth: {
    /** Steps of texts whose draft reached the depth, and those that accepted a token there. */
    drafted: number[];
    accepted: number[];
  };
  /** By the tokens of the longest context that the text's end had in a pool, from 0; steps with a draft alone. */
  byMatch: {
    /** Steps of texts, rows of their drafts, accepted ones of these. */
    steps: number[];
    rows: number[];
    accepted: number[];
  };
}

export function noStatistics(): LoopStatistics {
  const zeros = (length: number) => new Array<number>(length).fill(0);
  return {
    busy: 0,
    prefill: 0,
    steps: 0,
    draft: 0,
    verify: 0,
    modelSteps: 0,
    textSteps: 0,
    draftRows: 0,
    tokens: 0,
    texts: 0,
    byDepth: { drafted: zeros(depths), accepted: zeros(depths) },
    byMatch: { steps: zeros(matches), rows: zeros(matches), accepted: zeros(matches) },
  };
}

/** Adds those of another loop. */
export function addStatistics(sum: LoopStatistics, more: LoopStatistics): void {
  for (const name of scalars) sum[name] += more[name];
  addTo(sum.byDepth.drafted, more.byDepth.drafted);
  addTo(sum.byDepth.accepted, more.byDepth.accepted);
  addTo(sum.byMatch.steps, more.byMatch.steps);
  addTo(sum.byMatch.rows, more.byMatch.rows);
  addTo(sum.byMatch.accepted, more.byMatch.accepted);
}

/**
 * Adds a step of one text.
 * @param tree its rows, the text's last token first
 * @param accepted draft tokens that it accepted: a path from the first row
 * @param match tokens of the longest context that the text's end had in a pool
 */
export function addDraft(
  { byDepth, byMatch }: LoopStatistics,
  tree: TreeRows,
  accepted: number,
  match: number,
): void {
  const rows = tree.tokens.length - 1;
  if (rows === 0) return;
  const place = Math.min(match, matches - 1);
  add(byMatch.steps, place, 1);
  add(byMatch.rows, place, rows);
  add(byMatch.accepted, place, accepted);
  const deepest = depthOf(tree);
  for (let depth = 1; depth <= deepest; depth++) add(byDepth.drafted, Math.min(depth, depths) - 1, 1);
  for (let depth = 1; depth <= accepted; depth++) add(byDepth.accepted, Math.min(depth, depths) - 1, 1);
}

const numbers = z.array(z.number());
const scalars = [
  'busy',
  'prefill',
  'steps',
  'draft',
  'verify',
  'modelSteps',
  'textSteps',
  'draftRows',
  'tokens',
  'texts',
] as const;

/** The statistics as a file's metadata have them. */
export const statisticsSchema = z.object({
  ...(Object.fromEntries(scalars.map((name) => [name, z.number()])) as Record<
    (typeof scalars)[number],
    z.ZodNumber
  >),
  byDepth: z.object({ drafted: numbers, accepted: numbers }),
  byMatch: z.object({ steps: numbers, rows: numbers, accepted: numbers }),
});

/** Depths of a tree's rows; as many as the largest tree has. */
let levels = new Uint16Array(256);

function depthOf({ parents }: TreeRows): number {
  if (levels.length < parents.length) levels = new Uint16Array(2 * parents.length);
  let deepest = 0;
  // parents stand before their children
  for (let row = 1; row < parents.length; row++) {
    const depth = (levels[parents[row] as number] as number) + 1;
    levels[row] = depth;
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}

function add(counts: number[], place: number, more: number): void {
  counts[place] = (counts[place] as number) + more;
}

function addTo(counts: number[], more: readonly number[]): void {
  more.forEach((count, place) => {
    add(counts, place, count);
  });
}
