/** Drafts of the size that decoding would give them, for predictions. */
import { CostBudget, type Kept, type StepReport } from '../decode/budget.js';
import { DraftPause } from '../decode/pause.js';
import type { DraftBudget, Drafter } from '../draft/drafter.js';
import type { CostTable } from '../engine/cost-table.js';
import type { TreeRows } from '../engine/engine.js';
import type { PoolKey } from '../pool/builder.js';
import type { Pool } from '../pool/trie.js';
import type { ReplayDrafter, ReplayText } from './replay.js';
import { SourceDrafter } from './sources.js';

/** Drafts as decoding does: of each draft the rows that are worth their time among so many texts alike. */
export class WeighedDrafter implements ReplayDrafter {
  private readonly source: SourceDrafter;
  private readonly budget: CostBudget;
  private readonly batch: number;
  private pause = new DraftPause();
  /** The last step, until it is known what came of it. */
  private report: StepReport | undefined;
  private emitted = 0;

  /**
   * @param costs what steps of so many texts cost
   * @param nodes of a draft, at most
   */
  constructor(
    private readonly drafter: Drafter,
    pools: ReadonlyMap<PoolKey, Pool>,
    { table, batch }: { table: CostTable; batch: number },
    nodes: number,
  ) {
    this.source = new SourceDrafter(drafter, pools, 'mixed');
    this.budget = new CostBudget(table, nodes);
    this.batch = batch;
  }

  begin(text: ReplayText): void {
    this.source.begin(text);
    this.pause = new DraftPause();
    this.report = undefined;
  }

  append(token: number): void {
    this.source.append(token);
    this.emitted++;
  }

  draft(last: number, asked: DraftBudget): TreeRows {
    const { budget, drafter, pause, emitted, batch } = this;
    if (this.report !== undefined) {
      const accepted = batch * (emitted - 1);
      budget.record({ ...this.report, accepted, tokens: batch * emitted });
    }
    this.emitted = 0;
    const drafts = !pause.skips();
    const limit = drafts ? budget.limit(batch) : { nodes: 0, minPathProbability: 1 };
    const { tokens, parents } = this.source.draft(last, { ...asked, ...limit });
    const { gains } = drafter;
    const chosen = budget.choose(new Array<Float64Array>(batch).fill(gains))[0] as Kept;
    const kept = chosen.rows;
    if (drafts) pause.after(chosen);
    const expected = batch * gains.subarray(0, kept).reduce((sum, gain) => sum + gain, 0);
    const rows = { draftRows: batch * kept, longest: kept };
    this.report = { sequences: batch, ...rows, expected, accepted: 0, tokens: 0 };
    return { tokens: tokens.subarray(0, kept + 1), parents: parents.subarray(0, kept + 1) };
  }
}
