import type { TrieColumns } from './trie.js';

/** How many rows the columns of a pool have. */
export interface TrieSizes {
  /** Nodes, the root among them. */
  nodes: number;
  leaves: number;
  /** Tokens and ends of documents. */
  places: number;
  maxLength: number;
}

/** The columns in the order of the file, with their lengths. */
export const columnLengths: Record<keyof TrieColumns, (sizes: TrieSizes) => number> = {
  level: ({ maxLength }) => maxLength + 2,
  token: ({ nodes }) => nodes,
  count: ({ nodes }) => nodes,
  firstChild: ({ nodes }) => nodes + 1,
  firstLeaf: ({ nodes }) => nodes + 1,
  link: ({ nodes }) => nodes,
  byToken: ({ nodes }) => nodes,
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

/**
 * The first violation of what lookups rely on to stay within the columns and to end, in one pass over each column.
 * A damaged column may still hold wrong numbers: only its checksum tells.
 * @param largestToken no token is larger
 */
export function faultIn(columns: TrieColumns, largestToken: number): string | undefined {
  const { level, firstChild, firstLeaf, leaf, text, context } = columns;
  const nodes = columns.token.length;
  const last = level.length - 1;
  if (level[0] !== 0 || level[1] !== 1 || level[last] !== nodes) return 'its levels do not cover its nodes';
  for (let i = 1; i < last; i++)
    if ((level[i] as number) > (level[i + 1] as number)) return 'its levels are out of order';
  if (text[text.length - 1] !== -1) return 'its last document has no end';
  return (
    faultInRange('token', columns.token, 1, nodes, 0, largestToken) ??
    faultInRange('count', columns.count, 0, nodes, 0, 2 ** 31 - 1) ??
    faultInRange('text', text, 0, text.length, -1, largestToken) ??
    faultInRange('leaf', leaf, 0, leaf.length, 0, text.length - 2) ??
    faultInRange('context', context, 0, context.length, 0, (level[last - 1] as number) - 1) ??
    faultInFamilies('firstChild', firstChild, 1, nodes) ??
    faultInFamilies('firstLeaf', firstLeaf, 0, leaf.length) ??
    faultInLevels(columns)
  );
}

/** Whether a value of the rows from `start` to `end` lies outside of `least` and `most`. */
function faultInRange(
  name: string,
  values: Int32Array,
  start: number,
  end: number,
  least: number,
  most: number,
): string | undefined {
  // negative once a difference is: of two that wrap around, the other one doesn't
  let signs = 0;
  for (let i = start; i < end; i++) {
    const value = values[i] as number;
    signs |= (value - least) | (most - value);
  }
  if (signs >= 0) return undefined;
  const found = values.subarray(start, end).find((value) => value < least || value > most);
  return `its column ${name} holds ${found}, outside of ${least} to ${most}`;
}

/** Whether the families don't follow each other from `start` up to `end`. */
function faultInFamilies(name: string, first: Int32Array, start: number, end: number): string | undefined {
  if (first[0] !== start || first[first.length - 1] !== end) return `its column ${name} covers too little`;
  let signs = 0;
  for (let i = 1; i < first.length; i++) {
    const value = first[i] as number;
    signs |= (value - (first[i - 1] as number)) | value | (end - value);
  }
  return signs >= 0 ? undefined : `its column ${name} is out of order`;
}

/** Children stand one level below their parents, links lead one level up. */
function faultInLevels({ level, firstChild, link, byToken }: TrieColumns): string | undefined {
  for (let depth = 1; depth < level.length - 1; depth++) {
    const [above, start, end] = level.subarray(depth - 1, depth + 2) as unknown as [number, number, number];
    if (firstChild[above] !== start || firstChild[start] !== end)
      return `the children of level ${depth - 1} are not level ${depth}`;
    const fault =
      faultInRange('link', link, start, end, above, start - 1) ??
      faultInRange('byToken', byToken, start, end, start, end - 1);
    if (fault !== undefined) return fault;
  }
  return link[0] === 0 ? undefined : 'its root has a link';
}
