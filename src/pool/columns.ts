import { createHash } from 'node:crypto';
import type { LearntMetadata } from './file.js';
import { largeFamily, nodeFields, nodeWidth, slotOf, type TrieColumns } from './trie.js';

/** How many rows the columns of a pool have. */
export interface TrieSizes {
  /** Nodes, the root among them. */
  nodes: number;
  slots: number;
  leaves: number;
  /** Tokens and ends of documents. */
  places: number;
  maxLength: number;
}

/** The columns in the order of the file, with their lengths. */
export const columnLengths: Record<keyof TrieColumns, (sizes: TrieSizes) => number> = {
  level: ({ maxLength }) => maxLength + 2,
  node: ({ nodes }) => (nodes + 1) * nodeWidth,
  slot: ({ slots }) => slots,
  leafToken: ({ leaves }) => leaves,
  leaf: ({ leaves }) => leaves,
  text: ({ places }) => places,
  context: ({ places }) => places,
};

export const columnKeys = Object.keys(columnLengths) as (keyof TrieColumns)[];

/** The largest token of a text; -1 where it has none. */
export function largestOf(text: Int32Array): number {
  let largest = -1;
  for (let i = 0; i < text.length; i++) if ((text[i] as number) > largest) largest = text[i] as number;
  return largest;
}

/** The column `slot` for rows of nodes: between a third and two thirds of it are used. */
export function slotsFor(node: Int32Array): Int32Array {
  const nodes = node.length / nodeWidth - 1;
  const familyOf = (parent: number) =>
    [
      node[parent * nodeWidth + nodeFields.firstChild],
      node[(parent + 1) * nodeWidth + nodeFields.firstChild],
    ] as [number, number];
  let members = 0;
  for (let parent = 0; parent < nodes; parent++) {
    const [first, end] = familyOf(parent);
    if (end - first > largeFamily) members += end - first;
  }
  let size = 1;
  while (size < members * 1.5 + 1) size *= 2;
  const slot = new Int32Array(size).fill(-1);
  for (let parent = 0; parent < nodes; parent++) {
    const [first, end] = familyOf(parent);
    if (end - first <= largeFamily) continue;
    for (let child = first; child < end; child++) {
      let at = slotOf(parent, node[child * nodeWidth + nodeFields.token] as number, size);
      while ((slot[at] as number) >= 0) at = (at + 1) & (size - 1);
      slot[at] = child;
    }
  }
  return slot;
}

/**
 * The first violation of what lookups rely on to stay within the columns and to end, in one pass over each column.
 * A damaged column may still hold wrong numbers: only its checksum tells.
 * @param largestToken no token is larger
 */
export function faultIn(columns: TrieColumns, largestToken: number): string | undefined {
  const { node, slot, level, leafToken, leaf, text, context } = columns;
  const nodes = node.length / nodeWidth - 1;
  const last = level.length - 1;
  if (level[0] !== 0 || level[1] !== 1 || level[last] !== nodes) return 'its levels do not cover its nodes';
  for (let i = 1; i < last; i++)
    if ((level[i] as number) > (level[i + 1] as number)) return 'its levels are out of order';
  if (text[text.length - 1] !== -1) return 'its last document has no end';
  // a search ends at a free slot, and begins at one of a power of two of them
  if ((slot.length & (slot.length - 1)) !== 0 || !slot.includes(-1)) return 'its slots are full';
  return (
    faultInRange('slot', slot, -1, nodes - 1) ??
    faultInRange('leafToken', leafToken, 0, largestToken) ??
    faultInRange('leaf', leaf, 0, text.length - 2) ??
    faultInRange('text', text, -1, largestToken) ??
    faultInRange('context', context, 0, (level[last - 1] as number) - 1) ??
    faultInLevels(columns, largestToken)
  );
}

/** Whether a value lies outside of `least` and `most`. */
function faultInRange(name: string, values: Int32Array, least: number, most: number): string | undefined {
  // negative once a difference is: of two that wrap around, the other one doesn't
  let signs = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    signs |= (value - least) | (most - value);
  }
  if (signs >= 0) return undefined;
  const found = values.find((value) => value < least || value > most);
  return `its column ${name} holds ${found}, outside of ${least} to ${most}`;
}

/** Children stand one level below their parents, in the order of those; links lead one level up. */
function faultInLevels({ node, level, leaf }: TrieColumns, largestToken: number): string | undefined {
  const { token, count, firstChild, firstLeaf, link } = nodeFields;
  const nodes = node.length / nodeWidth - 1;
  const root = [node[token], node[firstChild], node[firstLeaf], node[link]];
  if (root.join() !== '-1,1,0,0') return 'its root is none';
  const closing = nodes * nodeWidth;
  if (node[closing + firstChild] !== nodes || node[closing + firstLeaf] !== leaf.length)
    return 'its nodes do not cover their children';
  for (let depth = 0; depth < level.length - 1; depth++) {
    const [start, end] = [level[depth], level[depth + 1]] as [number, number];
    const above = level[Math.max(0, depth - 1)] as number;
    if (node[start * nodeWidth + firstChild] !== end) return `the children of level ${depth} are elsewhere`;
    let signs = 0;
    for (let at = start * nodeWidth; at < end * nodeWidth; at += nodeWidth) {
      // within range each, so that no difference wraps around
      const [child, leaves] = [node[at + firstChild] as number, node[at + firstLeaf] as number];
      signs |= child | (nodes - child) | leaves | (leaf.length - leaves);
      signs |= (node[at + nodeWidth + firstChild] as number) - child;
      signs |= (node[at + nodeWidth + firstLeaf] as number) - leaves;
      signs |= node[at + count] as number;
      if (depth > 0) {
        signs |= (node[at + token] as number) | (largestToken - (node[at + token] as number));
        signs |= ((node[at + link] as number) - above) | (start - 1 - (node[at + link] as number));
      }
    }
    if (signs < 0) return `a node of level ${depth} is out of order`;
  }
  return undefined;
}

/** A hash of the columns, and of what was learnt: see `PoolMetadata`. */
export function versionOf(
  columns: TrieColumns,
  { weights, chances, chancesBy, relaxed }: LearntMetadata,
): string {
  const hash = createHash('sha256');
  for (const key of columnKeys) hash.update(columns[key]);
  if (weights !== undefined) hash.update(JSON.stringify(weights));
  if (chances !== undefined) hash.update(JSON.stringify({ chances, chancesBy, relaxed }));
  return hash.digest('hex').slice(0, 32);
}
