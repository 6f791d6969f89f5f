/** What drafts were weighed by, and what came of it, for people. */
import type { CostsInUse } from '../decode/messages.js';
import type { LoopStatistics } from '../decode/statistics.js';
import { stepMilliseconds } from '../engine/cost-table.js';

const fewRows = 8;

/** The end of a sentence on decoding so many texts together; empty where drafts aren't weighed. */
export function costsLine(costs: CostsInUse | undefined, texts: number): string {
  if (costs === undefined) return '';
  const { table, source } = costs;
  const cost = (rows: number) => stepMilliseconds(table, texts, rows).toPrecision(3);
  const from = {
    given: 'as the partition has it',
    cached: 'as measured earlier',
    measured: 'measured just now',
  };
  const together = texts === 1 ? 'one text' : `${texts} texts`;
  return (
    `; a step of ${together} takes ${cost(1)} ms with a row each and ${cost(fewRows)} with ${fewRows} ` +
    `(${from[source]}), so drafts are as large as pays`
  );
}

/** A sentence on the drafts of a run. */
export function draftsLine(statistics: LoopStatistics): string {
  const rows = draftRowsPerStep(statistics);
  if (rows === null) return 'nothing was decoded';
  const { tokens, textSteps } = statistics;
  return `steps had ${rows.toFixed(1)} draft tokens a text and brought ${(tokens / textSteps).toFixed(2)} tokens`;
}

/** Null where nothing was decoded. */
export function draftRowsPerStep({ draftRows, textSteps }: LoopStatistics): number | null {
  return textSteps === 0 ? null : draftRows / textSteps;
}
