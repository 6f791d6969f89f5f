/** The speed that replays of the same texts predict from the cost table, to be compared with the measured one. */
import { CostBudget, type Kept, type StepReport } from '../../src/decode/budget.js';
import { DraftPause } from '../../src/decode/pause.js';
import { promptIds } from '../../src/decode/row.js';
import { type DraftBudget, Drafter } from '../../src/draft/drafter.js';
import { type CostTable, textMilliseconds } from '../../src/engine/cost-table.js';
import type { TreeRows } from '../../src/engine/engine.js';
import type { PromptRow } from '../../src/lake/pages.js';
import type { PoolKey } from '../../src/pool/builder.js';
import { type ReplayDrafter, type ReplayText, replay } from '../../src/simulate/replay.js';
import { predict } from '../../src/simulate/simulate.js';
import { openPools, SourceDrafter } from '../../src/simulate/sources.js';
import type { TextModel } from '../../src/text/tokenizer.js';

/** Drafts as decoding does: of each draft the rows that are worth their time among so many texts alike. */
class WeighedDrafter implements ReplayDrafter {
  private readonly source: SourceDrafter;
  private readonly drafter: Drafter;
  private readonly budget: CostBudget;
  private pause = new DraftPause();
  /** The last step, until it is known what came of it. */
  private report: StepReport | undefined;
  private emitted = 0;

  constructor(
    { vocabularySize, endTokens }: TextModel,
    pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
    table: CostTable,
    private readonly batch: number,
  ) {
    this.drafter = new Drafter(vocabularySize, endTokens);
    const opened = openPools([...pools].map(([key, bytes]) => ({ key, bytes })));
    this.source = new SourceDrafter(this.drafter, opened, 'mixed');
    this.budget = new CostBudget(table, (table.rows.at(-1) as number) - 1);
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

/** A prompt and what was decoded from it, as replays take it. */
export function replayText(tokenizer: TextModel, prompt: PromptRow, text: string): ReplayText {
  const { entityType, cohort, framework } = prompt;
  const answer = [...tokenizer.encodeText(text)];
  const answerIds = Int32Array.from([...answer, ...[...tokenizer.endTokens].slice(0, 1)]);
  return { entityType, cohort, framework, promptIds: promptIds(tokenizer, prompt), answerIds };
}

/** Tokens a second of so many texts together, prompts left out: without drafts, and greedily with them. */
export function predictSpeeds(
  texts: readonly ReplayText[],
  tokenizer: TextModel,
  pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
  table: CostTable,
  batch: number,
): { autoregressive: number; greedy: number } {
  const drafter = new WeighedDrafter(tokenizer, pools, table, batch);
  // once unmeasured, so that what is timed is compiled
  replay(texts, drafter, { nodes: 0 });
  const { millisecondsPerToken } = predict(replay(texts, drafter, { nodes: 0 }), { table, batch });
  return {
    autoregressive: 1000 / textMilliseconds(table, batch, 1),
    greedy: 1000 / (millisecondsPerToken ?? Number.NaN),
  };
}
