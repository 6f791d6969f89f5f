/**
 * A draft tree while it grows. Row 0 is the sequence's last token. Behind the rows that are settled lie the best candidates
 * for the next ones, the highest score first, of equal scores the one that came first: no more than there is room for, so
 * a candidate that can't become a row any more isn't kept.
 */
export class DraftTree {
  /** Rows and candidates. */
  size = 0;
  tokens = new Int32Array(64);
  parents = new Int32Array(64);
  scores = new Float64Array(64);
  depths = new Int32Array(64);
  private room = 0;

  /** Starts a tree of up to `nodes` rows below `last`. */
  begin(last: number, nodes: number): void {
    this.room = nodes + 1;
    if (this.tokens.length < this.room) this.grow(2 * this.room);
    this.size = 1;
    this.tokens[0] = last;
    this.parents[0] = -1;
    this.scores[0] = 1;
    this.depths[0] = 0;
  }

  /** A candidate with this score or a lower one is left out. */
  get least(): number {
    return this.size < this.room ? 0 : (this.scores[this.size - 1] as number);
  }

  /**
   * Adds a candidate below the row that was settled last. Its score counts as at most that one's, so that it never comes before
   * a settled row: in a damaged pool children can be counted more often than their parent.
   */
  push(chance: number, token: number, parent: number): void {
    const { tokens, parents, scores, depths } = this;
    const score = Math.min(chance, scores[parent] as number);
    if (this.size === this.room && score <= this.least) return;
    let at = this.size < this.room ? this.size++ : this.size - 1;
    for (; (scores[at - 1] as number) < score; at--) {
      scores[at] = scores[at - 1] as number;
      tokens[at] = tokens[at - 1] as number;
      parents[at] = parents[at - 1] as number;
      depths[at] = depths[at - 1] as number;
    }
    scores[at] = score;
    tokens[at] = token;
    parents[at] = parent;
    depths[at] = (depths[parent] as number) + 1;
  }

  /** Forgets the candidates behind so many rows. */
  cut(rows: number): void {
    this.size = Math.min(this.size, rows);
  }

  private grow(rows: number): void {
    this.tokens = new Int32Array(rows);
    this.parents = new Int32Array(rows);
    this.scores = new Float64Array(rows);
    this.depths = new Int32Array(rows);
  }
}
