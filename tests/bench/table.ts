import { describe, type Setting } from './contender.js';
import type { Result } from './measure.js';
import type { Chosen } from './turns.js';

const columns: [title: string, width: number][] = [
  ['setting', -8],
  ['entity', -7],
  ['mode', -15],
  ['conc.', -15],
  ['tokens/s', 9],
  ['ratio', 8],
  ['end to end', 12],
  ['ratio', 8],
  ['tokens/step', 13],
  ['in model', 10],
  ['draft us/tok', 14],
  ['predicted', 11],
];

/**
 * The results for people. Ratios are to autoregressive decoding at concurrency 1, and at each contender's best to
 * autoregressive at its own best.
 */
export function table(results: readonly Result[], chosen: readonly Chosen[]): string {
  const find = (mode: string, entity: string, { concurrency, lookup }: Setting) =>
    results.find(
      (result) =>
        result.mode === mode &&
        result.entity === entity &&
        result.concurrency === concurrency &&
        result.lookup === lookup,
    ) as Result;
  const lines = [row(columns.map(([title]) => title))];
  for (const kind of ['one', 'best'] as const) {
    for (const entity of new Set(results.map((result) => result.entity))) {
      const rows = chosen.flatMap((entry) => {
        const setting = entry[kind];
        return setting === undefined ? [] : [find(entry.contender.mode, entity, setting)];
      });
      const base = rows.find(({ mode }) => mode === 'autoregressive') as Result;
      lines.push(...rows.map((result) => row([kind, ...cells(result, base)])));
    }
  }
  return lines.join('\n');
}

function cells(result: Result, base: Result): string[] {
  const ratio = (key: 'tokensPerSecond' | 'endToEndTokensPerSecond') =>
    `${(result[key] / base[key]).toFixed(2)}x`;
  const { modelShare, draftMicrosPerToken, predictedTokensPerSecond: predicted } = result;
  return [
    result.entity,
    result.mode,
    describe(result),
    result.tokensPerSecond.toFixed(0),
    ratio('tokensPerSecond'),
    result.endToEndTokensPerSecond.toFixed(0),
    ratio('endToEndTokensPerSecond'),
    result.tokensPerStep.toFixed(2),
    modelShare === null ? '' : `${(modelShare * 100).toFixed(1)}%`,
    draftMicrosPerToken === null ? '' : draftMicrosPerToken.toFixed(1),
    predicted === null ? '' : predicted.toFixed(0),
  ];
}

/** Cells padded to their columns: negative widths to the left. */
function row(values: readonly string[]): string {
  const padded = columns.map(([, width], i) => {
    const value = values[i] ?? '';
    return width < 0 ? value.padEnd(-width) : value.padStart(width);
  });
  return padded.join('').trimEnd();
}
