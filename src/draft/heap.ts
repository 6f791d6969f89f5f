/** Scores fall into classes by the sign, exponent and first three bits of the mantissa of a float32: a monotonic map. */
const classShift = 20;
const classes = 2048;

/**
 * A priority queue of draft candidates: the highest score first, of equal scores the one that came first. Only so many
 * are wanted in all; a candidate that comes after as many better ones is dropped, whatever else may come.
 */
export class CandidateHeap {
  size = 0;
  /** The candidate that `pop` took out. */
  token = 0;
  parent = 0;
  score = 0;
  private sequence = 0;
  private wanted = 0;
  /** How many of each class were pushed; `kept` of them from `floor` on, where candidates may still be taken out. */
  private readonly tally = new Int32Array(classes);
  private floor = 0;
  private kept = 0;
  private readonly float = new Float32Array(1);
  private readonly bits = new Int32Array(this.float.buffer);
  private readonly scores: Float64Array;
  private readonly order: Int32Array;
  private readonly tokens: Int32Array;
  private readonly parents: Int32Array;

  /** @param capacity candidates beyond it are dropped: callers size it for all they can push */
  constructor(private readonly capacity: number) {
    this.scores = new Float64Array(capacity);
    this.order = new Int32Array(capacity);
    this.tokens = new Int32Array(capacity);
    this.parents = new Int32Array(capacity);
  }

  /** Empties the queue. @param wanted how often `pop` may be called from now on */
  clear(wanted: number): void {
    this.size = 0;
    this.sequence = 0;
    this.wanted = wanted;
    this.tally.fill(0);
    this.floor = 0;
    this.kept = 0;
  }

  /** @param score from 0 to 1 */
  push(score: number, token: number, parent: number): void {
    if (this.size === this.capacity || !this.isWanted(score)) return;
    let at = this.size++;
    const order = this.sequence++;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.before(score, order, above)) break;
      this.move(above, at);
      at = above;
    }
    this.set(at, score, order, token, parent);
  }

  private isWanted(score: number): boolean {
    const { tally } = this;
    this.float[0] = score;
    const at = (this.bits[0] as number) >>> classShift;
    if (at < this.floor) return false;
    tally[at] = (tally[at] as number) + 1;
    this.kept++;
    for (; this.kept - (tally[this.floor] as number) >= this.wanted; this.floor++)
      this.kept -= tally[this.floor] as number;
    return true;
  }

  /** Takes the best candidate out into `score`, `token` and `parent`; false when there is none. */
  pop(): boolean {
    if (this.size === 0) return false;
    this.score = this.scores[0] as number;
    this.token = this.tokens[0] as number;
    this.parent = this.parents[0] as number;
    const last = --this.size;
    if (last > 0) this.sink(last);
    return true;
  }

  /** Puts the candidate at `from` in the place of the first and lets it sink. */
  private sink(from: number): void {
    const score = this.scores[from] as number;
    const order = this.order[from] as number;
    const token = this.tokens[from] as number;
    const parent = this.parents[from] as number;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.size) break;
      const right = below + 1;
      if (right < this.size && this.before(this.scores[right] as number, this.order[right] as number, below))
        below = right;
      if (!this.before(this.scores[below] as number, this.order[below] as number, -1, score, order)) break;
      this.move(below, at);
      at = below;
    }
    this.set(at, score, order, token, parent);
  }

  private before(
    score: number,
    order: number,
    other: number,
    otherScore?: number,
    otherOrder?: number,
  ): boolean {
    const against = otherScore ?? (this.scores[other] as number);
    if (score !== against) return score > against;
    return order < (otherOrder ?? (this.order[other] as number));
  }

  private move(from: number, to: number): void {
    this.set(
      to,
      this.scores[from] as number,
      this.order[from] as number,
      this.tokens[from] as number,
      this.parents[from] as number,
    );
  }

  private set(at: number, score: number, order: number, token: number, parent: number): void {
    this.scores[at] = score;
    this.order[at] = order;
    this.tokens[at] = token;
    this.parents[at] = parent;
  }
}
