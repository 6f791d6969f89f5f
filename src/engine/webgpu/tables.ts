/** The small tables that tell the kernels what a step is about: struct Sizes and `tables` of kernels/step.wgsl. */
import type { TreeRows } from '../engine.js';
import type { PrefixCopy } from './prefill.js';

/** Rows of one sequence in a step. */
export interface SequenceRows {
  slot: number;
  /** Columns of the slot's cache that the rows see. */
  cached: number;
  tokens: Int32Array;
  /** A draft tree's parents; undefined: each row sees all rows before it. */
  parents: TreeRows['parents'] | undefined;
  /** How many of the rows get verdicts, the last ones: none, those of a draft tree behind a prompt's rows, or all. */
  verdicts: number;
}

/** A row of the last step that goes to the cache. */
export interface Move {
  row: number;
  slot: number;
  column: number;
}

/** Counts, places and content of a step's tables. */
export interface StepTables {
  rows: number;
  tiles: number;
  moves: number;
  /** Blocks of columns that are copied from slot to slot. */
  copies: number;
  verdicts: number;
  /** Where each table begins in `tables`, in words. */
  starts: Record<'tiles' | 'moves' | 'copies' | 'masks' | 'verdicts', number>;
  /** Words of a row's mask. */
  maskWords: number;
  /** Parts that the columns of a tile are divided into. */
  splits: number;
  /** Which of the plan's spans they have, from 0; 0 where none is fixed. */
  span: number;
  tables: Uint32Array;
}

/** Where a step finds keys and values. */
export interface CachePlaces {
  /** Columns of a slot in the cache. */
  capacity: number;
  /** First rows of this step and of the last one among the new keys and values. */
  current: number;
  previous: number;
}

/** How the attention kernel in use divides its work. */
export interface AttentionPlan {
  /** Rows of a sequence that one tile takes. */
  tileRows: number;
  /** Columns of a workgroup where they are fixed, in rising order; empty where it takes any number. */
  spans: readonly number[];
  kvHeads: number;
}

const rowWords = 2;
const moveWords = 3;
const copyWords = 3;
const tileWords = 8;
const verdictWords = 3;
/** Workgroups that fill a large GPU; fewer than this and the columns of a tile are divided. */
const enoughWorkgroups = 264;
/** A split shorter than this costs more to join than it saves. */
const leastColumns = 64;
const mostSplits = 16;
/**
 * Longer spans leave fewer parts to join, and take no longer where there are workgroups for the whole GPU (H200, 700 columns:
 * 64 x 6 rows 35 us with spans of 64, 34 of 128; 64 x 1 rows 19 and 21).
 */
const enoughForLongSpans = 512;
/**
 * Columns that stand together in the cache (kernels/cache.wgsl). Where columns of a workgroup are fixed, new rows begin at a
 * multiple of them behind the cached ones.
 */
export const blockColumns = 16;

/**
 * Lays out the tables of one step. Numbers are written one by one: the GPU waits for it, and setting a few numbers as an array
 * takes four times as long.
 * @param copies in whole blocks: the last one's further columns go along, to where nothing of the slot is yet. What is copied
 *   must be in the cache, and no move may go there
 */
export function stepTables(
  sequences: readonly SequenceRows[],
  moves: readonly Move[],
  attention: AttentionPlan,
  copies: readonly PrefixCopy[] = [],
): StepTables {
  const rows = sum(sequences, ({ tokens }) => tokens.length);
  const tiles = sum(sequences, ({ tokens }) => Math.ceil(tokens.length / attention.tileRows));
  const verdicts = sum(sequences, (sequence) => sequence.verdicts);
  const longestTree = largest(sequences, ({ tokens, parents }) =>
    parents === undefined ? 0 : tokens.length,
  );
  const maskWords = Math.max(1, Math.ceil(longestTree / 32));
  const tileTable = rows * rowWords;
  const moveTable = tileTable + tiles * tileWords;
  const copyTable = moveTable + moves.length * moveWords;
  const blocks = sum(copies, ({ columns }) => Math.ceil(columns / blockColumns));
  const maskTable = copyTable + blocks * copyWords;
  const verdictTable = maskTable + rows * maskWords;
  const tables = new Uint32Array(verdictTable + verdicts * verdictWords);
  let row = 0;
  let tile = tileTable;
  let verdict = 0;
  for (const sequence of sequences) {
    const { tokens, parents, cached, slot } = sequence;
    const count = tokens.length;
    for (let from = 0; from < count; from += attention.tileRows) {
      const tileRows = Math.min(attention.tileRows, count - from);
      const causal = parents === undefined ? 1 : 0;
      // a causal tile sees no row behind its own last one
      const seen = causal === 1 ? from + tileRows : count;
      tables[tile] = row + from;
      tables[tile + 1] = tileRows;
      tables[tile + 2] = slot;
      tables[tile + 3] = cached;
      tables[tile + 4] = row;
      tables[tile + 5] = seen;
      tables[tile + 6] = causal;
      tile += tileWords;
    }
    placeRows(tables, sequence, row, maskTable, maskWords);
    const before = count - sequence.verdicts;
    for (let i = before; i < count; i++) {
      const at = verdictTable + (verdict + i - before) * verdictWords;
      tables[at] = row + i;
      tables[at + 1] = verdict + Math.max((parents?.[i] ?? i - 1) - before, 0);
      tables[at + 2] = tokens[i] as number;
    }
    verdict += sequence.verdicts;
    row += count;
  }
  let at = moveTable;
  for (const move of moves) {
    tables[at] = move.row;
    tables[at + 1] = move.slot;
    tables[at + 2] = move.column;
    at += moveWords;
  }
  let copy = copyTable;
  for (const { from, to, columns } of copies) {
    for (let block = 0; block * blockColumns < columns; block++) {
      tables[copy] = from;
      tables[copy + 1] = to;
      tables[copy + 2] = block;
      copy += copyWords;
    }
  }
  const columns = largest(sequences, ({ cached, tokens }) => cached + tokens.length);
  const { splits, span } = divide(attention, tiles, columns);
  return {
    rows,
    tiles,
    moves: moves.length,
    copies: blocks,
    verdicts,
    starts: {
      tiles: tileTable,
      moves: moveTable,
      copies: copyTable,
      masks: maskTable,
      verdicts: verdictTable,
    },
    maskWords,
    splits,
    span,
    tables,
  };
}

/** struct Sizes of kernels/step.wgsl. */
export function stepSizes(step: StepTables, places: CachePlaces, topK: number): Uint32Array {
  const { rows, tiles, moves, copies, verdicts, starts, maskWords, splits } = step;
  return Uint32Array.of(
    ...[rows, tiles, moves, verdicts, starts.tiles, starts.moves, starts.masks, starts.verdicts],
    ...[maskWords, splits, places.capacity, places.current, places.previous, topK],
    ...[copies, starts.copies],
  );
}

/** Token, position and mask of each row: a row sees its ancestors and itself. */
function placeRows(
  tables: Uint32Array,
  { tokens, parents, cached }: SequenceRows,
  first: number,
  maskTable: number,
  maskWords: number,
): void {
  for (let i = 0; i < tokens.length; i++) {
    const parent = parents === undefined ? i - 1 : (parents[i] as number);
    const at = (first + i) * rowWords;
    tables[at] = tokens[i] as number;
    tables[at + 1] = parent < 0 ? cached : (tables[(first + parent) * rowWords + 1] as number) + 1;
    if (parents === undefined) continue;
    const mask = maskTable + (first + i) * maskWords;
    if (parent >= 0) {
      const above = maskTable + (first + parent) * maskWords;
      for (let word = 0; word < maskWords; word++) tables[mask + word] = tables[above + word] as number;
    }
    const word = mask + (i >> 5);
    tables[word] = (tables[word] as number) | (1 << (i & 31));
  }
}

/** How the columns of a tile are divided. */
function divide({ spans, kvHeads }: AttentionPlan, tiles: number, columns: number) {
  if (spans.length === 0) return { splits: splitsFor(tiles * kvHeads, columns), span: 0 };
  const splits = spans.map((span) => Math.max(1, Math.ceil((columns + blockColumns - 1) / span)));
  const span = Math.max(
    0,
    splits.findLastIndex((parts) => parts * tiles * kvHeads >= enoughForLongSpans),
  );
  return { splits: splits[span] as number, span };
}

function splitsFor(workgroups: number, columns: number): number {
  if (workgroups === 0) return 1;
  const wanted = Math.ceil(enoughWorkgroups / workgroups);
  return Math.max(1, Math.min(wanted, mostSplits, Math.floor(columns / leastColumns)));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** The largest number that the items have, at least 0. Spreading them into Math.max would fill the stack. */
export function largest<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, of(item)), 0);
}
