/**
 * Builds pools level by level: the places where an n-gram occurs lie side by side, and counting what follows them
 * gives its continuations, as multikey quicksort and radix sorts of suffixes do, up to a length and only where
 * something repeats. Linear in tokens * length, in typed arrays alone.
 */
import { type DareError, inputError } from '../errors.js';
import { largestOf, slotsFor } from './columns.js';
import { nodeFields, nodeWidth, type TrieColumns } from './trie.js';

const { count: countAt, firstChild: firstChildAt, firstLeaf: firstLeafAt, link: linkAt } = nodeFields;

/** Arrow's writer counts the bytes of a column in 32 bits. */
const mostRows = 2 ** 29 - 2;

/**
 * Counts the n-grams of up to `maxLength` tokens within the documents (never across them) and returns their trie.
 * The result depends on the multiset of documents alone, not on their order.
 * Takes at most 60 bytes a token of memory, the result's included; the documents aren't kept.
 * @throws inputError for more tokens than one pool can hold
 */
export function buildTrie(documents: Iterable<ArrayLike<number>>, maxLength: number): TrieColumns {
  const text = joinDocuments(documents);
  return new TrieBuilder(text, maxLength).build();
}

/** The documents in their canonical order, each followed by -1; at least one -1. */
function joinDocuments(documents: Iterable<ArrayLike<number>>): Int32Array {
  const ordered = [...documents].sort(compareDocuments);
  const length = ordered.reduce((sum, document) => sum + document.length + 1, 0);
  if (length > mostRows) throw tooLarge();
  const text = new Int32Array(Math.max(length, 1)).fill(-1);
  let at = 0;
  for (const document of ordered) {
    text.set(document, at);
    at += document.length + 1;
  }
  return text;
}

function tooLarge(): DareError {
  return inputError('There are too many tokens for one pool', 'Cap the tokens of a cohort, or of all texts.');
}

/** By length, then by tokens: most comparisons end at the length. */
function compareDocuments(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = a.length - b.length;
  for (let i = 0; difference === 0 && i < a.length; i++) difference = (a[i] as number) - (b[i] as number);
  return difference;
}

/** An Int32Array that grows. */
class Column {
  length = 0;
  values = new Int32Array(1024);

  push(value: number): void {
    if (this.length === this.values.length) {
      if (this.length === mostRows) throw tooLarge();
      const larger = new Int32Array(Math.min(Math.ceil(this.length * 1.5), mostRows));
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  get whole(): Int32Array {
    return this.values.subarray(0, this.length);
  }
}

class TrieBuilder {
  private readonly node = new Column();
  private readonly leaf = new Column();
  private readonly leafToken = new Column();
  private readonly level = new Column();
  /** By position: node of the longest repeated context found so far that ends there. */
  private readonly context: Int32Array;
  /** Where the n-grams of the level before end, those of a node side by side; and of this level. */
  private from: Int32Array;
  private to: Int32Array;
  /** By token, of one family: occurrences, then where the next one goes (a leaf if negative). */
  private readonly tally: Int32Array;
  private readonly place: Int32Array;
  private readonly distinct: Int32Array;
  private readonly keys: Float64Array;

  constructor(
    private readonly text: Int32Array,
    private readonly maxLength: number,
  ) {
    const vocabulary = largestOf(text) + 1;
    this.tally = new Int32Array(vocabulary);
    this.place = new Int32Array(vocabulary);
    this.distinct = new Int32Array(vocabulary);
    this.keys = new Float64Array(vocabulary);
    this.context = new Int32Array(text.length);
    this.from = new Int32Array(text.length);
    this.to = new Int32Array(text.length);
  }

  build(): TrieColumns {
    const { text, level } = this;
    // the empty n-gram ends before each token
    let tokens = 0;
    for (let i = 0; i < text.length; i++) if ((text[i] as number) >= 0) this.from[tokens++] = i - 1;
    this.addNode(-1, tokens);
    level.push(0);
    for (let length = 1; length <= this.maxLength; length++) {
      level.push(this.nodes);
      this.addLevel(level.values[length - 1] as number, this.nodes);
      this.linkLevel(level.values[length] as number, length < this.maxLength);
      [this.from, this.to] = [this.to, this.from];
    }
    level.push(this.nodes);
    return {
      level: level.whole,
      ...this.closedNodes(),
      leafToken: this.leafToken.whole,
      leaf: this.leaf.whole,
      text,
      context: this.context,
    };
  }

  private get nodes(): number {
    return this.node.length / nodeWidth;
  }

  /** Its families and its link come later. */
  private addNode(token: number, count: number): void {
    const { node } = this;
    node.push(token);
    node.push(count);
    node.push(0);
    node.push(0);
    node.push(0);
  }

  /** The rows of the nodes, with one that closes the last families, and the slots of the large ones. */
  private closedNodes(): Pick<TrieColumns, 'node' | 'slot'> {
    const { nodes, node } = this;
    this.addNode(-1, 0);
    // nodes of the last level have no families
    for (let at = this.level.values[this.maxLength] as number; at <= nodes; at++) {
      node.values[at * nodeWidth + firstChildAt] = nodes;
      node.values[at * nodeWidth + firstLeafAt] = this.leaf.length;
    }
    return { node: node.whole, slot: slotsFor(node.whole) };
  }

  /** The families of the nodes from `first` up to `end`; `to` gets the places of the repeated ones among them. */
  private addLevel(first: number, end: number): void {
    let start = 0;
    let target = 0;
    for (let node = first; node < end; node++) {
      const stop = start + (this.node.values[node * nodeWidth + countAt] as number);
      target = this.addFamily(node, start, stop, target);
      start = stop;
    }
  }

  /**
   * What follows the node's places, from `from[start]` up to `from[stop]`.
   * Returns where the next family's places go in `to`.
   */
  private addFamily(node: number, start: number, stop: number, target: number): number {
    const { text, from, to, tally, place, distinct, leaf } = this;
    this.node.values[node * nodeWidth + firstChildAt] = this.nodes;
    this.node.values[node * nodeWidth + firstLeafAt] = leaf.length;
    let size = 0;
    for (let i = start; i < stop; i++) {
      const token = text[(from[i] as number) + 1] as number;
      if (token < 0) continue;
      const seen = tally[token] as number;
      if (seen === 0) distinct[size++] = token;
      tally[token] = seen + 1;
    }
    sort(distinct, size);
    let children = 0;
    for (let i = 0; i < size; i++) {
      const token = distinct[i] as number;
      if (tally[token] === 1) {
        place[token] = -1 - leaf.length;
        leaf.push(0);
        this.leafToken.push(token);
      } else distinct[children++] = token;
    }
    const next = this.addChildren(children, target);
    for (let i = start; i < stop; i++) {
      const end = (from[i] as number) + 1;
      const token = text[end] as number;
      if (token < 0) continue;
      tally[token] = 0;
      const slot = place[token] as number;
      if (slot < 0) leaf.values[-1 - slot] = end;
      else {
        to[slot] = end;
        place[token] = slot + 1;
      }
    }
    return next;
  }

  /** Nodes for the first `size` tokens of `distinct` (by token), the most frequent first; their places from `target`. */
  private addChildren(size: number, target: number): number {
    const { tally, place, distinct, keys } = this;
    // one number orders by falling count, then by token: counts and vocabularies fit 53 bits together
    const scale = distinct.length;
    for (let i = 0; i < size; i++) keys[i] = i - (tally[distinct[i] as number] as number) * scale;
    sort(keys, size);
    let next = target;
    for (let rank = 0; rank < size; rank++) {
      const key = keys[rank] as number;
      const child = distinct[key - Math.floor(key / scale) * scale] as number;
      const occurrences = tally[child] as number;
      this.addNode(child, occurrences);
      place[child] = next;
      next += occurrences;
    }
    return next;
  }

  /** Links of the nodes from `first` on, and `context` where they are one (not of the last level). */
  private linkLevel(first: number, asContexts: boolean): void {
    const { to, context, nodes } = this;
    const rows = this.node.values;
    for (let node = first, start = 0; node < nodes; node++) {
      // the n-gram without its first token ends at the same place, and nothing longer was found there yet
      rows[node * nodeWidth + linkAt] = context[to[start] as number] as number;
      start += rows[node * nodeWidth + countAt] as number;
    }
    if (!asContexts) return;
    for (let node = first, at = 0; node < nodes; node++) {
      const stop = at + (rows[node * nodeWidth + countAt] as number);
      for (; at < stop; at++) context[to[at] as number] = node;
    }
  }
}

/** Sorts the first `size` numbers. */
function sort(values: Int32Array | Float64Array, size: number): void {
  if (size > 24) {
    values.subarray(0, size).sort();
    return;
  }
  for (let i = 1; i < size; i++) {
    const value = values[i] as number;
    let at = i;
    for (; at > 0 && (values[at - 1] as number) > value; at--) values[at] = values[at - 1] as number;
    values[at] = value;
  }
}
