import type { ArmResult } from '../evaluate/downstream.js';
import type { EvaluationRow } from '../evaluate/rows.js';
import { alignedColumns } from './columns.js';

/** What an evaluation found, as a table for a person: a line a row, the most telling columns. */
export function evaluationTable(rows: readonly EvaluationRow[]): string {
  const columns: [string, (row: EvaluationRow) => string][] = [
    ['setting', ({ setting }) => setting],
    ['entity', ({ entityType }) => entityType ?? '-'],
    ['framework', ({ framework }) => framework ?? '-'],
    ['texts', ({ texts }) => String(texts)],
    ['tokens a step', ({ tokensPerStep }) => fixed(tokensPerStep, 2)],
    ['same texts', ({ sameTexts }) => percent(sameTexts)],
    ['ROUGE-L', ({ rougeL }) => fixed(rougeL, 3)],
    ['nats a text', ({ divergenceMean }) => fixed(divergenceMean, 2)],
    ['most', ({ divergenceMax }) => fixed(divergenceMax, 2)],
    ['perplexity', ({ perplexity }) => fixed(perplexity, 3)],
    ['distinct-2', ({ distinct2 }) => fixed(distinct2, 3)],
    ['repetitive', ({ repetitive }) => percent(repetitive)],
    ['JSON', ({ jsonValid }) => (jsonValid === null ? '-' : percent(jsonValid))],
    ['1 - cosine', ({ vectorDistance }) => fixed(vectorDistance, 4)],
    ['of others', ({ entityDistance }) => fixed(entityDistance, 4)],
  ];
  const cells = columns.map(([title, cell]) => [title, ...rows.map(cell)]);
  return alignedColumns(
    cells.filter(([title, ...others]) => title !== 'JSON' || others.some((cell) => cell !== '-')),
  );
}

/** What click models came to, as a table for a person, and why figures are missing where some are. */
export function downstreamTable(results: readonly ArmResult[]): string {
  const columns: [string, (result: ArmResult) => string][] = [
    ['click model with', ({ name }) => name],
    ['AUC', ({ auc }) => fixed(auc, 4)],
    ['log loss', ({ logLoss }) => fixed(logLoss, 4)],
    ['AUC less autoregressive', ({ difference }) => fixed(difference.mean, 4)],
    ['95% from', ({ difference }) => fixed(difference.low, 4)],
    ['to', ({ difference }) => fixed(difference.high, 4)],
  ];
  const cells = columns.map(([title, cell]) => [title, ...results.map(cell)]);
  const isMissing = cells.some((column) => column.includes(missing));
  return `${alignedColumns(cells)}${isMissing ? `\n${whyMissing}` : ''}`;
}

const missing = '-';
const whyMissing =
  `${missing} can't be told: of the ratings that a seed holds back, none is of a user or an item with a text, or all are ` +
  'liked, or none is; it takes more ratings, or a larger --limit';

/** @param value NaN where it can't be told */
function fixed(value: number | null, digits: number): string {
  return value === null || Number.isNaN(value) ? missing : value.toFixed(digits);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
