/** What paths are worth: their tokens, less what their relaxed ones have to bring. */
export class PathWorth {
  private readonly lengths: Int32Array;
  private readonly relaxed: Int32Array;

  /** @param gain tokens that each relaxed one has to bring */
  constructor(
    rows: number,
    private readonly gain: number,
  ) {
    this.lengths = new Int32Array(rows);
    this.relaxed = new Int32Array(rows);
  }

  /** Adds a row whose path is that of its parent and one token more. */
  add(row: number, parent: number, relaxed: boolean): void {
    this.lengths[row] = (this.lengths[parent] as number) + 1;
    this.relaxed[row] = (this.relaxed[parent] as number) + (relaxed ? 1 : 0);
  }

  /** Whether the path to `row` is better than that to `other`: worth more, or as much and cheaper. @param nats of each path */
  isBetter(row: number, other: number, nats: Float64Array): boolean {
    const more = this.of(row) - this.of(other);
    return more > 0 || (more === 0 && (nats[row] as number) < (nats[other] as number));
  }

  /** Of a row that was added, or of row 0. Paths of as many tokens and relaxed ones are worth exactly the same. */
  of(row: number): number {
    return (this.lengths[row] as number) - this.gain * (this.relaxed[row] as number);
  }
}
