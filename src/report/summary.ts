import type { Comparison } from '../decode/compare.js';
import type { StageResult } from '../stage.js';

/** What a run did, for a person: one line a question, then a query to paste. */
export function runSummary(results: readonly StageResult[], seconds: number): string {
  const of = (stage: string) => results.find((result) => result.stage === stage);
  const texts = of('decode');
  const features = of('publish')?.files[0] ?? '';
  const lines: [string, string][] = [
    ['cohorts', unlessSkipped(of('segment'), cohortLine)],
    ['texts', unlessSkipped(texts, textLine)],
    ...decodingLines(texts),
    [
      'features',
      unlessSkipped(of('publish'), ({ rows }) => `${number(rows)} rows, one for every user and item`),
    ],
    ['time', `${seconds.toFixed(1)} s in all, ${(texts?.seconds ?? 0).toFixed(1)} s of them decoding`],
    [
      'files',
      [...new Set(results.map(({ files }) => files[0]).filter((file) => file !== undefined))].join('\n'),
    ],
  ];
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  const table = lines.map(
    ([label, text]) => `${label.padEnd(width)}${text.replaceAll('\n', `\n${' '.repeat(width)}`)}`,
  );
  const quoted = features.replaceAll("'", "''");
  const query = `SELECT entity_type, cohort, count(*) AS entities FROM '${quoted}' GROUP BY ALL ORDER BY ALL;`;
  return ['', ...table, '', 'Look at them with DuckDB:', `  ${query}`].join('\n');
}

function unlessSkipped(result: StageResult | undefined, line: (result: StageResult) => string): string {
  if (result === undefined) return '';
  return result.skipped === true ? `${number(result.rows)} rows, as they were: fresh` : line(result);
}

function decodingLines(texts: StageResult | undefined): [string, string][] {
  if (texts === undefined || texts.skipped === true || texts.decodeSteps === 0) return [];
  return [
    ['drafting', draftLine(texts)],
    ['speed', speedLine(texts.comparison as Comparison | undefined)],
  ];
}

function cohortLine(segment: StageResult): string {
  const count = (kind: unknown) => Object.keys((kind as { sizes?: object } | undefined)?.sizes ?? {}).length;
  return `${count(segment.users)} of users, ${count(segment.items)} of items`;
}

function textLine({ rows, takenOver, failed, outputTokens, mode }: StageResult): string {
  const taken = Number(takenOver);
  const decoded = `${number(rows - taken)} decoded (${mode}), ${number(outputTokens)} tokens`;
  const failures = Number(failed) > 0 ? `, ${number(failed)} without a text` : '';
  return `${decoded}${failures}${taken > 0 ? `; ${number(taken)} taken over from earlier tables` : ''}`;
}

function draftLine(decode: StageResult): string {
  const perStep = Number(decode.tokensPerStep ?? 0).toFixed(2);
  const rounds = Number(decode.rounds ?? 1);
  const way =
    rounds > 1 ? `in ${rounds} rounds, from pools of the rounds before` : 'from pools of earlier texts';
  const relaxed = Number(decode.relaxedTokens ?? 0);
  const share = ((100 * relaxed) / Math.max(1, Number(decode.outputTokens ?? 0))).toFixed(1);
  return `${perStep} tokens a step, ${way}; ${share}% of the tokens were relaxed`;
}

function speedLine(comparison: Comparison | undefined): string {
  if (comparison === undefined) return 'not measured';
  const { prompts, tokensPerSecond, autoregressiveTokensPerSecond, speedup, drafted } = comparison;
  if (!drafted) {
    return (
      `that of autoregressive decoding (${number(Math.round(tokensPerSecond))} tokens/s on ${prompts} of the prompts, ` +
      'this run): drafts would have taken longer than they bring'
    );
  }
  return (
    `${speedup.toFixed(1)} times autoregressive decoding (${number(Math.round(tokensPerSecond))} against ` +
    `${number(Math.round(autoregressiveTokensPerSecond))} tokens/s on ${prompts} of the prompts, this run)`
  );
}

function number(value: unknown): string {
  return Number(value).toLocaleString('en-US');
}
