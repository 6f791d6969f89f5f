import type { Counted, Followers, PoolState } from './ngrams.js';

/**
 * The n-grams of one request: its prompt and the output so far. It grows by a token at a time and dies with the
 * request. Children of a node form a list, the newest first; the root's are found by a table.
 */
export class OwnText implements Counted {
  nodes = 1;
  token = new Int32Array(4096);
  count = new Int32Array(4096);
  link = new Int32Array(4096);
  /** Distinct tokens seen after the node, and how often any was. */
  children = new Int32Array(4096);
  followed = new Int32Array(4096);
  /** First child and next sibling, -1 at the end. */
  first = new Int32Array(4096).fill(-1);
  next = new Int32Array(4096).fill(-1);
  /** Turn of the chat in which a token last followed the node. */
  turn = new Int32Array(4096);
  /** Turns that have ended. */
  private turns = 0;
  /** The first turn that isn't an earlier one: that of the last message. */
  private lastTurn = 0;
  private readonly roots: Int32Array;
  /** Node of the last k tokens, k = 0 up to maxLength - 1; -1 where fewer were seen. */
  private readonly contexts: Int32Array;

  constructor(
    vocabulary: number,
    readonly maxLength: number,
  ) {
    this.roots = new Int32Array(vocabulary).fill(-1);
    this.contexts = new Int32Array(maxLength).fill(-1);
    this.contexts[0] = 0;
  }

  /** Forgets everything, so that the next request can use the same memory. */
  clear(): void {
    for (let node = this.first[0] as number; node >= 0; node = this.next[node] as number) {
      this.roots[this.token[node] as number] = -1;
    }
    this.turns = 0;
    this.lastTurn = 0;
    this.turn[0] = 0;
    this.nodes = 1;
    this.count[0] = 0;
    this.children[0] = 0;
    this.followed[0] = 0;
    this.first[0] = -1;
    this.contexts.fill(-1);
    this.contexts[0] = 0;
  }

  /** The token that ends a turn of the chat was appended. */
  endTurn(): void {
    this.turns++;
  }

  /**
   * The prompt is complete. Its last turn is the message to answer, which ended just before, in templates that end the
   * user's turns too; turns before it are system lines and worked examples. Where they aren't ended, the last example
   * counts with the message.
   */
  endPrompt(): void {
    this.lastTurn = this.turns - 1;
  }

  child(node: number, token: number): number {
    if (node === 0) return this.roots[token] ?? -1;
    for (let child = this.first[node] as number; child >= 0; child = this.next[child] as number) {
      if (this.token[child] === token) return child;
    }
    return -1;
  }

  append(token: number): void {
    this.count[0] = (this.count[0] as number) + 1;
    // from the root on: contexts[k] is replaced by the node of the last k tokens only after it was extended
    let extended = this.extend(0, token, 0);
    for (let length = 1; length < this.maxLength; length++) {
      const context = this.contexts[length] as number;
      this.contexts[length] = extended;
      if (context < 0) return;
      extended = this.extend(context, token, extended);
    }
  }

  /** Node of the longest context that ends where the text does, and its length. */
  get end(): number {
    return this.contexts[this.endDepth] as number;
  }

  get endDepth(): number {
    return Math.min(this.count[0] as number, this.maxLength - 1);
  }

  shorter(node: number): number {
    return this.link[node] as number;
  }

  /** The newest tokens first. */
  followers(node: number, into: Followers): void {
    // not the node's own count: the end of the text itself has no continuation yet
    into.total = this.followed[node] as number;
    into.distinct = this.children[node] as number;
    into.earlier = (this.turn[node] as number) < this.lastTurn;
    into.size = Math.min(into.distinct, into.limit);
    let child = this.first[node] as number;
    for (let i = 0; i < into.size; i++) {
      into.tokens[i] = this.token[child] as number;
      into.counts[i] = this.count[child] as number;
      child = this.next[child] as number;
    }
  }

  /** How often `token` followed the context. */
  countAfter(node: number, token: number): number {
    const child = this.child(node, token);
    return child < 0 ? 0 : (this.count[child] as number);
  }

  /** Same as `Pool.walk`. */
  walk(state: PoolState, token: number): void {
    let { node, depth } = state;
    let child = this.child(node, token);
    while (child < 0 && node !== 0) {
      node = this.link[node] as number;
      depth--;
      child = this.child(node, token);
    }
    if (child < 0) {
      state.node = 0;
      state.depth = 0;
    } else if (depth + 1 === this.maxLength) {
      state.node = this.link[child] as number;
      state.depth = depth;
    } else {
      state.node = child;
      state.depth = depth + 1;
    }
  }

  private extend(context: number, token: number, link: number): number {
    this.turn[context] = this.turns;
    this.followed[context] = (this.followed[context] as number) + 1;
    const known = this.child(context, token);
    if (known >= 0) {
      this.count[known] = (this.count[known] as number) + 1;
      return known;
    }
    const node = this.nodes++;
    if (node === this.token.length) this.grow();
    this.token[node] = token;
    this.count[node] = 1;
    this.link[node] = link;
    this.children[node] = 0;
    this.followed[node] = 0;
    this.turn[node] = 0;
    this.first[node] = -1;
    this.next[node] = this.first[context] as number;
    this.first[context] = node;
    this.children[context] = (this.children[context] as number) + 1;
    if (context === 0) this.roots[token] = node;
    return node;
  }

  private grow(): void {
    for (const column of [
      'token',
      'count',
      'link',
      'children',
      'followed',
      'first',
      'next',
      'turn',
    ] as const) {
      const larger = new Int32Array(this[column].length * 2);
      larger.set(this[column]);
      this[column] = larger;
    }
  }
}
