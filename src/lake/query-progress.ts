import type { Progress } from '../stage.js';
import type { Duck } from './duck.js';

/** Milliseconds between two looks. */
const interval = 100;

/**
 * How far a stage is whose time goes into queries: rows are advanced in proportion to what DuckDB says of each query, and
 * to the share of the time that it usually takes.
 */
export class QueryProgress {
  /** Of the time: what the queries before took, and what was advanced. */
  private before = 0;
  private advanced = 0;

  private constructor(
    private readonly duck: Duck,
    private readonly progress: Progress,
    private readonly rows: number,
  ) {}

  /** @param rows what the stage is to do in all, known by now */
  static async open(duck: Duck, progress: Progress, rows: number): Promise<QueryProgress> {
    await duck.script('lake/watch-queries');
    progress.expect(rows);
    return new QueryProgress(duck, progress, rows);
  }

  /**
   * Runs queries one after the other.
   * @param share of the stage's time that they usually take; those of all add up to 1
   */
  async during<T>(share: number, queries: () => Promise<T>): Promise<T> {
    // the percentage is -1 where DuckDB doesn't know
    const look = () => this.reach(this.before + (share * this.duck.connection.progress.percentage) / 100);
    const timer = setInterval(look, interval);
    try {
      const result = await queries();
      this.before += share;
      this.reach(this.before);
      return result;
    } finally {
      clearInterval(timer);
    }
  }

  private reach(share: number): void {
    // shares that are added up may lack a last bit
    const rows = Math.min(this.rows, Math.floor(this.rows * share + 1e-6));
    if (rows <= this.advanced) return;
    this.progress.advance(rows - this.advanced);
    this.advanced = rows;
  }
}
