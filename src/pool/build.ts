import type { TrieColumns } from './trie.js';

/** Trie under construction: children are found through one open-addressing hash table over (parent, token). */
class Counter {
  nodes = 1;
  parent = new Int32Array(1024);
  token = new Int32Array(1024);
  count = new Int32Array(1024);
  link = new Int32Array(1024);
  private table = new Int32Array(4096).fill(-1);

  /** The child of `parent` along `token`; made when it is new, with the given link. */
  child(parent: number, token: number, link: number): number {
    const mask = this.table.length - 1;
    let at = hashOf(parent, token) & mask;
    for (let node = this.table[at] as number; node >= 0; node = this.table[at] as number) {
      if (this.parent[node] === parent && this.token[node] === token) return node;
      at = (at + 1) & mask;
    }
    const node = this.nodes++;
    if (node === this.token.length) this.grow();
    this.parent[node] = parent;
    this.token[node] = token;
    this.link[node] = link;
    this.table[at] = node;
    if (this.nodes * 2 > this.table.length) this.rehash();
    return node;
  }

  private grow(): void {
    for (const column of ['parent', 'token', 'count', 'link'] as const) {
      const larger = new Int32Array(this[column].length * 2);
      larger.set(this[column]);
      this[column] = larger;
    }
  }

  private rehash(): void {
    this.table = new Int32Array(this.table.length * 2).fill(-1);
    const mask = this.table.length - 1;
    for (let node = 1; node < this.nodes; node++) {
      let at = hashOf(this.parent[node] as number, this.token[node] as number) & mask;
      while ((this.table[at] as number) >= 0) at = (at + 1) & mask;
      this.table[at] = node;
    }
  }
}

/** Multiplicative hashing (Knuth, TAOCP 6.4) of the pair, with the high bits mixed down. */
function hashOf(parent: number, token: number): number {
  const mixed = Math.imul(parent, 0x9e3779b1) ^ Math.imul(token + 1, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/**
 * Counts every n-gram of up to `maxLength` tokens within the documents (never across them) and returns the trie.
 * The result depends on the multiset of documents alone, not on their order.
 * @param documents token ids of each text; time and memory are proportional to tokens * maxLength at worst
 */
export function buildTrie(documents: Iterable<ArrayLike<number>>, maxLength: number): TrieColumns {
  const counter = new Counter();
  const previous = new Int32Array(maxLength + 1);
  const current = new Int32Array(maxLength + 1);
  for (const document of documents) {
    // previous[k]: node of the last k tokens before this one, -1 where the document is shorter
    previous.fill(-1);
    previous[0] = 0;
    for (let i = 0; i < document.length; i++) {
      const token = document[i] as number;
      counter.count[0] = (counter.count[0] as number) + 1;
      current[0] = 0;
      for (let length = 1; length <= maxLength; length++) {
        const context = previous[length - 1] as number;
        if (context < 0) {
          current[length] = -1;
          continue;
        }
        // the n-gram without its first token is the one just counted, one shorter
        const node = counter.child(context, token, current[length - 1] as number);
        counter.count[node] = (counter.count[node] as number) + 1;
        current[length] = node;
      }
      previous.set(current);
    }
  }
  return inOrder(counter);
}

/** Renumbers the nodes level by level, children side by side by falling count, then rising token. */
function inOrder(counter: Counter): TrieColumns {
  const { nodes, parent, token, count, link } = counter;
  const depth = new Uint8Array(nodes);
  // a parent is always made before its children
  for (let node = 1; node < nodes; node++) depth[node] = (depth[parent[node] as number] as number) + 1;
  const levels: number[][] = [];
  for (let node = 0; node < nodes; node++) {
    const level = depth[node] as number;
    levels[level] ??= [];
    (levels[level] as number[]).push(node);
  }
  const place = new Int32Array(nodes);
  const columns: TrieColumns = {
    token: new Int32Array(nodes),
    count: new Int32Array(nodes),
    firstChild: new Int32Array(nodes + 1),
    link: new Int32Array(nodes),
  };
  let at = 0;
  for (const level of levels) {
    const key = (node: number) => place[parent[node] as number] as number;
    level.sort(
      (a, b) =>
        key(a) - key(b) ||
        (count[b] as number) - (count[a] as number) ||
        (token[a] as number) - (token[b] as number),
    );
    for (const node of level) {
      place[node] = at;
      columns.token[at] = node === 0 ? -1 : (token[node] as number);
      columns.count[at] = count[node] as number;
      columns.link[at] = place[link[node] as number] as number;
      at++;
    }
  }
  // children follow each other in the order of their parents, so counting them gives where each family begins
  for (let node = 1; node < nodes; node++) {
    const family = (place[parent[node] as number] as number) + 1;
    columns.firstChild[family] = (columns.firstChild[family] as number) + 1;
  }
  columns.firstChild[0] = 1;
  for (let node = 0; node < nodes; node++) {
    columns.firstChild[node + 1] =
      (columns.firstChild[node] as number) + (columns.firstChild[node + 1] as number);
  }
  return columns;
}
