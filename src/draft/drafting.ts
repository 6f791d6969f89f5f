/** The seam between decoding and drafting: drafts are made in the decoding thread, or in threads of their own. */
import type { TreeRows } from '../engine/engine.js';
import { type DraftBudget, Drafter, type DraftPools } from './drafter.js';

/** What one sequence drafts by. */
export interface SequenceDrafts {
  /** Takes over a token of the prompt or of the output. */
  append(token: number): void;
  /** Asks for the draft tree below `last`, the sequence's last token (already appended). */
  request(last: number, budget: DraftBudget): void;
  /** The requested draft, as soon as `Drafting.finish` was called; the rest is about it. */
  readonly rows: TreeRows;
  /** As `Drafter` has them. */
  readonly gains: Float64Array;
  readonly matched: number;
  contextsOf(parent: number): { cohort: number; shared: number; own: number };
}

/** Makes drafts for many sequences. */
export interface Drafting {
  /** Starts a sequence; `pools` are among those in use. */
  begin(pools: DraftPools): SequenceDrafts;
  /** The sequence has ended. */
  end(drafts: SequenceDrafts): void;
  /** Drafts will be asked for in a moment. */
  rouse(): void;
  /** Returns once all requests are drafted. @throws runError when a thread failed */
  finish(): void;
}

/** Drafts at once, in the thread that asks. */
export class OwnDrafting implements Drafting {
  private readonly idle: OwnDrafts[] = [];

  constructor(
    private readonly vocabulary: number,
    private readonly endTokens: ReadonlySet<number>,
  ) {}

  begin(pools: DraftPools): SequenceDrafts {
    const drafts = this.idle.pop() ?? new OwnDrafts(new Drafter(this.vocabulary, this.endTokens));
    drafts.drafter.begin(pools);
    return drafts;
  }

  end(drafts: SequenceDrafts): void {
    this.idle.push(drafts as OwnDrafts);
  }

  rouse(): void {}

  finish(): void {}
}

class OwnDrafts implements SequenceDrafts {
  rows: TreeRows = { tokens: new Int32Array(0), parents: new Int32Array(0) };

  constructor(readonly drafter: Drafter) {}

  append(token: number): void {
    this.drafter.append(token);
  }

  request(last: number, budget: DraftBudget): void {
    this.rows = this.drafter.draft(last, budget);
  }

  get gains(): Float64Array {
    return this.drafter.gains;
  }

  get matched(): number {
    return this.drafter.matched;
  }

  contextsOf(parent: number) {
    return this.drafter.contextsOf(parent);
  }
}
